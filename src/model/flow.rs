//! A flow: the name under which executions run, and the definition that an engine reads.

use crate::model::{Name, Timestamp};

/// A flow in its present state. All texts are kept byte for byte.
#[derive(Clone, Debug)]
pub struct Flow {
    /// A UUID. A flow that is created again under the same name gets another.
    pub id: String,
    pub name: Name,
    pub definition: String,
    pub description: String,
    /// The kind of definition: `FDL` or `DEFAULT`.
    pub kind: String,
    pub role_arn: Option<String>,
    /// `Standard` or `Express`.
    pub execution_mode: String,
    /// JSON: `{"Variables":[…]}`.
    pub environment: Option<String>,
    pub external_storage_location: Option<String>,
    pub resource_group_id: Option<String>,
    pub created_at: Timestamp,
    pub modified_at: Timestamp,
}
