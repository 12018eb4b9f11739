//! `webhook`: a delivery is claimed, and what it asks for is started.

use super::{Died, Pen, Pipeline};
use crate::world::{Claim, Course, Guard, World};

impl Pipeline {
    /// Claims a push's delivery, starts what it asks for, and says so.
    pub fn take_in(&self, w: &mut World, push: usize, pen: &mut Pen) -> Result<(), Died> {
        if push >= self.scope.deliveries() {
            w.deliveries[push] = Claim::Ignored;
            return Ok(());
        }
        let again = w.deliveries[push] == Claim::Started;
        if again && !self.lacks(Guard::NamedAfterWhatIsAsked) {
            return Ok(());
        }
        pen.write()?;
        w.deliveries[push] = if self.lacks(Guard::ClaimHasState) {
            Claim::Started
        } else {
            Claim::Received
        };
        for d in self.scope.asked_by(push) {
            pen.write()?;
            let run = w.run(d);
            // Step Functions refuses a second execution of the same name.
            if run.started == 0 || self.lacks(Guard::NamedAfterWhatIsAsked) {
                run.started += 1;
                run.course = Course::Runs;
            }
        }
        pen.write()?;
        w.deliveries[push] = Claim::Started;
        Ok(())
    }
}
