//! `webhook`: a delivery is claimed, and what it asks for is started.

use std::sync::Arc;

use domain::deployment::Deployment;
use domain::intake::{Course as Got, Decision, Delivery, LeftToDo};

use super::{Died, Pen, Pipeline};
use crate::world::{Course, Guard, NOW, World};

impl Pipeline {
    /// Claims a copy of a delivery of which this was decided, does what is left to do of it, and answers.
    pub fn take_in(&self, w: &mut World, delivery: usize, decided: &Decision, pen: &mut Pen) -> Result<(), Died> {
        let copy = Delivery::new(self.given.ids[delivery].clone(), "push", decided.clone(), NOW);
        let before = w.deliveries[delivery].record.clone();
        let unrecorded = self.lacks(Guard::ReasonRecorded) && matches!(decided, Decision::Ignored(_));
        if !unrecorded {
            pen.write()?;
            let claimed = || Arc::new(self.as_claimed(copy.clone()));
            w.deliveries[delivery].record.get_or_insert_with(claimed);
        }
        let known = before.filter(|_| !self.lacks(Guard::ClaimHeeded));
        match copy.left_to_do(known.as_deref().cloned()) {
            LeftToDo::Start(deployments) => {
                for deployment in &deployments {
                    pen.write()?;
                    self.start(w, delivery, deployment);
                }
                pen.write()?;
                if let Some(record) = &mut w.deliveries[delivery].record
                    && record.look_at().is_some()
                {
                    Arc::make_mut(record).course = Got::Started { deployments };
                }
            }
            LeftToDo::SayWhyNot(reason) => {
                let recorded = w.deliveries[delivery].record.as_ref().map(|record| &record.course);
                w.seen.second_meaning |= recorded.is_some_and(|course| *course != Got::Ignored { reason });
            }
            LeftToDo::Nothing => {}
        }
        w.deliveries[delivery].answered = true;
        Ok(())
    }

    /// Without [`Guard::ClaimHasState`]: as if there were nothing to do between claiming a delivery and having started it.
    fn as_claimed(&self, copy: Delivery) -> Delivery {
        match copy.course {
            Got::Received { deployments } if self.lacks(Guard::ClaimHasState) => Delivery {
                course: Got::Started { deployments },
                ..copy
            },
            _ => copy,
        }
    }

    /// Starts an execution. Step Functions refuses a second one of the same name.
    fn start(&self, w: &mut World, delivery: usize, deployment: &Deployment) {
        let recorded = w.deliveries[delivery].record.as_ref().map(|record| &record.course);
        let asked = match recorded {
            Some(Got::Received { deployments } | Got::Started { deployments }) => deployments.contains(deployment),
            Some(Got::Ignored { .. }) | None => false,
        };
        w.seen.second_meaning |= !asked;
        let Some(d) = self.index(&deployment.id) else { return };
        let run = w.run(d);
        if run.started == 0 || self.lacks(Guard::NamedAfterWhatIsAsked) {
            run.started += 1;
            run.course = Course::Runs;
        }
    }
}
