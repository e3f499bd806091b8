//! Stand-ins for systems, and the demo.
//!
//! The stand-ins answer in the real systems' own shapes and refuse what those would refuse; the gate in front
//! of them is the same binary with the same policies, pointed at them through the environment it reads.

pub mod crm;
pub mod erp;
pub(crate) mod odata;
pub mod seed;
pub mod standin;

/// As whom the stand-ins answer.
pub(crate) const WHO: &str = "A CRM and an ERP answer behind it as HubSpot and Business Central do.";
/// The secrets that the shipped files of these systems name: the CRM's, and the ERP's.
pub(crate) const SECRETS: [&str; 2] = ["HUBSPOT_TOKEN", "BC_TOKEN"];
