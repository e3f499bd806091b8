//! Stand-ins for systems, and the demo.
//!
//! The stand-ins answer in the real systems' own shapes and refuse what those would refuse; the gate in front
//! of them is the same binary with the same policies, pointed at them through the environment it reads.

pub mod crm;
pub mod erp;
pub(crate) mod odata;
pub mod seed;
pub mod standin;
