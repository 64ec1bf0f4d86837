//! Passwords that a person makes for their devices.

use super::{Portal, Problem, Result, Visit, actor};
use crate::domain::message::Notice;
use crate::domain::person::Person;
use crate::engine::desk::DeskError;
use crate::engine::devices::DeviceEnrolled;

impl Portal {
    /// Makes a password for the device of this name, to be shown once; or says what is wrong.
    pub async fn add_device(
        &self,
        visit: &Visit,
        person: &Person,
        name: &str,
    ) -> Result<std::result::Result<DeviceEnrolled, Problem>> {
        let (actor, limits) = (actor(visit, person), &visit.config.factors);
        let done = self.desk.enroll_device_password(&actor, person.username.as_str(), name, limits).await;
        let problem = match done {
            Ok(enrolled) => {
                self.tell(visit, person, Notice::DeviceAdded).await;
                return Ok(Ok(enrolled));
            }
            Err(DeskError::Label) => Problem::new("name", "device-name-problem"),
            Err(DeskError::DeviceNamed(name)) => Problem::new("name", "device-name-taken").with("name", name),
            Err(DeskError::ManyDevices(most)) => Problem::new("name", "factors-many").with("count", most),
            Err(other) => return Err(other.into()),
        };
        Ok(Err(problem))
    }
}
