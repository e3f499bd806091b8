//! Facts about XML, told through the faces of a mapping.

use super::*;
use crate::mapping::tests::{answer, json, load_text, record};
use serde_json::json;

mod asked;
mod catalogue;
mod hostile;
mod ksef;
mod lines;
mod soap;
mod written;
