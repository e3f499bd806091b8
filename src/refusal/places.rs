//! Places in a body as a caller is told of them: of fields that it neither sees nor writes, not even that they are
//! there.

use crate::{
    mapping::MappingFault,
    policy::Denied,
    schema::{Entity, FieldSet},
};

/// Places in a body that a caller is told of. Fields it neither sees nor writes are one fault without a place,
/// however many there are and whatever they hold.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub(super) pointers: Vec<String>,
    pub(super) elsewhere: Option<Elsewhere>,
}

/// There is something at fault that the caller does not know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Elsewhere;

impl Places {
    /// The places of a denial, as far as the caller knows of the leaves.
    pub fn of(entity: &Entity, denied: &Denied, known: &FieldSet) -> Self {
        let (Denied::Fields(paths) | Denied::Mask(paths)) = denied else { return Self::default() };
        let mut places = Self::default();
        for path in paths {
            match entity.leaf_at(path.as_str()).filter(|leaf| known.contains(*leaf)) {
                Some(_) => places.pointers.push(format!("/{}", path.as_str().replace('.', "/"))),
                None => places.elsewhere = Some(Elsewhere),
            }
        }
        places
    }
}

/// A mapping's faults, as far as a caller knows of the leaves; all others are one without a place, the same as that
/// of a field which no leaf stands for.
pub fn told_faults(known: &FieldSet, faults: Vec<MappingFault>) -> Vec<MappingFault> {
    let mut told: Vec<MappingFault> = Vec::with_capacity(faults.len());
    for fault in faults {
        let fault = match fault.leaf {
            Some(leaf) if !known.contains(leaf) => MappingFault {
                leaf: None,
                pointer: String::new(),
                message: "the system does not accept this value".to_owned(),
                ..fault
            },
            Some(_) | None => fault,
        };
        if !fault.pointer.is_empty() || !told.contains(&fault) {
            told.push(fault);
        }
    }
    told
}

/// What is said of fields that a caller does not know of.
pub(super) const ELSEWHERE: &str = "this cannot be done with the record as it is";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{mapping::Whose, schema::LeafId};

    fn fault(leaf: u8) -> MappingFault {
        MappingFault {
            whose: Whose::Caller,
            leaf: Some(LeafId(leaf)),
            pointer: format!("/field{leaf}"),
            message: "no".into(),
        }
    }

    #[test]
    fn faults_of_fields_that_a_caller_does_not_know_of_are_one_without_a_place() {
        let known: FieldSet = [LeafId(1), LeafId(2)].into_iter().collect();
        let told = told_faults(&known, vec![fault(1), fault(3), fault(4), fault(2)]);
        let pointers: Vec<&str> = told.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/field1", "", "/field2"]);
        assert_eq!(told_faults(&known, vec![fault(3)]), told_faults(&known, vec![fault(4), fault(5)]));
    }
}
