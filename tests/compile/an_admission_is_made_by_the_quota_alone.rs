//! Nothing goes on uncharged.

use bramka::{policy::Prospect, quota::Admission};

fn admission(prospect: Prospect) -> Admission {
    Admission { prospect }
}

fn main() {}
