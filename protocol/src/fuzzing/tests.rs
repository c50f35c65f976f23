use super::*;

fn replay(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("it is listed");
    assert!(target.replay() > 0);
}

#[test]
fn every_wire_value_of_the_corpus_has_one_encoding() {
    replay("wire");
}

#[test]
fn sessions_of_the_corpus_deliver_what_was_sealed() {
    replay("session");
}

#[test]
fn fragments_of_the_corpus_arrive_whole_once_and_in_order() {
    replay("fragments");
}

#[test]
fn meshes_of_the_corpus_stand_and_find_one_another_again() {
    replay("mesh");
}

#[test]
fn schedules_of_the_corpus_lead_to_one_chain() {
    replay("consensus");
}

#[test]
fn transactions_of_the_corpus_make_no_chip() {
    replay("transactions");
}

#[test]
fn tables_of_the_corpus_can_always_pay() {
    replay("craps");
}

#[test]
fn key_generations_of_the_corpus_end_in_one_key() {
    replay("keygen");
}

#[test]
fn members_of_the_corpus_have_one_key() {
    replay("keyring");
}

#[test]
fn letters_of_the_corpus_come_once_as_they_were_written() {
    replay("post");
}

#[test]
fn light_nodes_of_the_corpus_believe_nothing_untrue() {
    replay("light");
}

#[test]
fn receipts_of_the_corpus_prove_nothing_else() {
    replay("receipts");
}
