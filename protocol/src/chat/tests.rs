use alloc::string::ToString;
use alloc::vec::Vec;

use super::*;
use crate::identity::{Epoch, ProofOfWork};

const LINK: LinkId = LinkId(1);
const TABLE: TableId = TableId(1);

fn context(network: u8) -> Context {
    Context { network: Hash([network; 32]), epoch: Epoch(0) }
}

fn speaker(seed: u8) -> (Keypair, Address) {
    let keypair = Keypair::from_seed([seed; 32]);
    let address = Address { peer: keypair.peer(), proof: ProofOfWork(0) };
    (keypair, address)
}

fn words(text: &str) -> Words {
    Words::new(text).unwrap()
}

fn chat() -> Chat {
    let mut chat = Chat::new(Time::ZERO);
    chat.wall_clock(1000);
    chat
}

fn say(chat: &mut Chat, now: Time, text: &str) -> Result<SignedLine, TooMuch> {
    let (keypair, from) = speaker(1);
    let said = chat.say(now, BlockTime(5), (&keypair, from, &context(7)), TABLE, words(text));
    said.map(|(signed, _)| signed)
}

fn judge(chat: &mut Chat, line: &SignedLine, network: u8) -> Verdict {
    chat.judge(Time::ZERO, BlockTime(6), LINK, line, &context(network))
}

fn heard(chat: &Chat, room: Room) -> Vec<&str> {
    chat.lines(room).map(|line| &*line.words).collect()
}

#[test]
fn a_line_is_taken_once_from_its_author_and_on_its_network_alone() {
    let (mut one, mut other) = (chat(), chat());
    let line = say(&mut one, Time::ZERO, "seven!").unwrap();
    assert_eq!(judge(&mut other, &line, 8), Verdict::Forged);
    let mut forged = line.clone();
    forged.statement.words = words("eleven!");
    assert_eq!(judge(&mut other, &forged, 7), Verdict::Forged);
    assert!(matches!(judge(&mut other, &line, 7), Verdict::News(_)));
    assert_eq!(judge(&mut other, &line, 7), Verdict::Idle, "somebody repeats it");
    let room = Room::Table(TABLE);
    assert_eq!((heard(&one, room), heard(&other, room)), (["seven!"].into(), ["seven!"].into()));
}

#[test]
fn nobody_says_more_than_their_share_and_time_brings_more() {
    let (mut one, mut other) = (chat(), chat());
    let (keypair, from) = speaker(2);
    for number in 0..8 {
        assert!(say(&mut one, Time::ZERO, &number.to_string()).is_ok());
    }
    assert_eq!(say(&mut one, Time::ZERO, "more"), Err(TooMuch));
    assert!(say(&mut one, Time::ZERO + PAUSE, "more").is_ok());
    for number in 0..100 {
        let statement = Statement { table: TABLE, from, number, words: words("spam") };
        let signature = keypair.sign(Domain::Chat, &context(7), &encode(&statement));
        let line = SignedLine { statement, signature };
        assert_eq!(judge(&mut other, &line, 7) == Verdict::Idle, number >= 8);
        let peer = PeerId([9; 32]);
        let taken = other.hear(Time::ZERO, BlockTime(0), peer, words("spam"));
        assert_eq!(taken.is_ok(), number < 8);
    }
    let line = say(&mut one, Time::ZERO + PAUSE * 2, "still heard").unwrap();
    assert!(matches!(judge(&mut other, &line, 7), Verdict::News(_)));
}

#[test]
fn history_is_bounded_in_lines_and_in_rooms() {
    let mut history = History::new();
    let line = |text: &str| Line { from: PeerId([1; 32]), at: BlockTime(0), words: words(text) };
    for number in 0..LINES + 5 {
        history.note(Room::Table(TABLE), line(&number.to_string()));
    }
    assert_eq!(history.lines(Room::Table(TABLE)).count(), LINES);
    assert_eq!(&*history.lines(Room::Table(TABLE)).next().unwrap().words, "5");
    for number in 0..ROOMS as u32 {
        history.note(Room::Table(TableId(number + 2)), line("elsewhere"));
    }
    assert_eq!(history.lines(Room::Table(TABLE)).count(), 0, "silent for longest");
    assert_eq!(history.rooms.len(), ROOMS);
}
