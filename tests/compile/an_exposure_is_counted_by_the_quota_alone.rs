//! Nobody but the quota says that a record is counted.

use bramka::{policy::Shown, quota::Exposed};

fn exposed(shown: Shown) -> Exposed {
    Exposed(shown)
}

fn main() {}
