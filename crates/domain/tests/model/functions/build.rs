//! `build`: one build for each commit, and who waits for it.

use std::sync::Arc;

use domain::build_record::{BuildRecord, Step};
use domain::failure::{Failure, Name};

use super::{Answer, Died, Pen, Pipeline};
use crate::world::{Guard, NOW, World};

impl Pipeline {
    pub(super) fn build(w: &mut World, d: usize, pen: &mut Pen) -> Result<Answer, Died> {
        let commit = w.release(d);
        pen.write()?;
        let (step, record) = w.builds[commit].record.ask(NOW);
        Arc::make_mut(&mut w.builds[commit]).record = Arc::new(record);
        match step {
            Step::Take(_) => Ok(Answer::Released),
            Step::Wait => Ok(Answer::Parks),
            Step::Start(attempt) => {
                Self::start_build(w, commit, attempt, pen)?;
                Ok(Answer::Parks)
            }
        }
    }

    /// CodeBuild knows a start that it has seen before.
    fn start_build(w: &mut World, commit: usize, attempt: u32, pen: &mut Pen) -> Result<(), Died> {
        pen.write()?;
        let builds = Arc::make_mut(&mut w.builds[commit]);
        let place = builds
            .known
            .iter()
            .position(|(known, _)| *known == attempt)
            .unwrap_or_else(|| {
                builds.known.push((attempt, None));
                builds.known.len() - 1
            });
        pen.write()?;
        builds.record = Arc::new(builds.record.started(attempt, &place.to_string()));
        Ok(())
    }

    /// CodeBuild says, rightly, that this build of the commit has ended.
    pub fn hear_of_build(&self, w: &mut World, commit: usize, place: usize) {
        let builds = Arc::make_mut(&mut w.builds[commit]);
        let (attempt, Some(well)) = builds.known[place] else {
            return;
        };
        let result = if well {
            Ok(self.given.releases[commit].clone())
        } else {
            Err(Failure::new(Name::BuildFailed, ""))
        };
        if self.lacks(Guard::BuildIdentified)
            && let BuildRecord::Building { build, .. } = Arc::make_mut(&mut builds.record)
        {
            *build = Some(place.to_string());
        }
        let before = Arc::clone(&builds.record);
        let after = before.ended(&place.to_string(), result, NOW);
        if let BuildRecord::Building { attempt: current, .. } = &*before {
            w.seen.foreign_event_heeded |= after != *before && *current != attempt;
        }
        builds.record = Arc::new(after);
    }

    /// The sweep asks after a build for which this deployment waits.
    pub fn wake_for_build(&self, w: &mut World, d: usize) -> Option<Answer> {
        let commit = w.release(d);
        match &*w.builds[commit].record {
            BuildRecord::Built { .. } => Some(Answer::Released),
            BuildRecord::Failed { .. } => Some(Answer::Fails(Name::BuildFailed)),
            BuildRecord::Building {
                attempt, build: None, ..
            } => {
                let attempt = *attempt;
                Self::start_build(w, commit, attempt, &mut Pen::that_lasts()).ok()?;
                None
            }
            BuildRecord::Building { build: Some(build), .. } => {
                let place = build.parse().ok()?;
                self.hear_of_build(w, commit, place);
                None
            }
            BuildRecord::None => None,
        }
    }
}
