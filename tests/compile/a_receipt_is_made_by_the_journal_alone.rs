//! Nobody but the journal says that something is on record.

use bramka::{
    audit::{Effect, Receipt},
    words::RequestId,
};

fn main() {
    let _: Receipt<Effect> = Receipt::new(RequestId([0; 16]));
}
