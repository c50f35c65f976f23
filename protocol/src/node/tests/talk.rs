//! People who talk, over nodes that are not all linked.

use alloc::string::String;

use super::*;
use crate::chat::{Room, Words};

const fn in_a_line(one: usize, other: usize) -> bool {
    one.abs_diff(other) == 1
}

impl World {
    fn say(&mut self, index: usize, room: Room, words: &str) -> Result<CommandId, Refusal> {
        let node = self.places[index].node.as_mut().expect("it runs");
        let words = Words::new(words).unwrap();
        let outcome = node.submit(self.now, Command::Say { room, words });
        self.carry_out(index);
        outcome
    }

    fn peer(&self, index: usize) -> crate::identity::PeerId {
        self.places[index].keypair.peer()
    }

    /// What a node's player was told of.
    fn told(&self, index: usize) -> Vec<(Room, usize, String)> {
        let said = self.places[index].notices.iter().filter_map(|notice| match notice {
            Notice::Said { room, line } => Some((*room, line.from, line.words.to_string())),
            _ => None,
        });
        let by = |peer| self.places.iter().position(|it| it.keypair.peer() == peer).unwrap();
        said.map(|(room, from, words)| (room, by(from), words)).collect()
    }

    fn shows(&self, index: usize, room: Room) -> usize {
        self.places[index].node.as_ref().unwrap().lines(room).count()
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn the_ends_of_a_line_write_to_one_another_and_the_middle_is_told_nothing() {
    let mut world = World::with_links(4, 0, in_a_line);
    world.run_until(SECOND, |_| false);
    let (first, last) = (world.peer(0), world.peer(3));
    let id = world.say(0, Room::Peer(last), "are you there?").unwrap();
    world.run_until(SECOND, |_| false);
    world.say(3, Room::Peer(first), "yes").unwrap();
    world.run_until(SECOND, |_| false);
    let lines = |other| {
        let room = Room::Peer(other);
        [(room, 0, "are you there?".into()), (room, 3, "yes".into())]
    };
    assert_eq!((world.told(0), world.told(3)), (lines(last).into(), lines(first).into()));
    let delivered = Notice::Delivered { id, to: last };
    assert!(world.places[0].notices.contains(&delivered));
    for middle in [1, 2] {
        assert_eq!(world.told(middle), []);
        assert_eq!(
            world.shows(middle, Room::Peer(first)) + world.shows(middle, Room::Peer(last)),
            0
        );
    }
    assert_eq!(world.say(0, Room::Peer(first), "me"), Err(Refusal::ToOneself));
}

#[test]
fn a_table_hears_who_sits_there_and_nobody_else_speaks() {
    let mut world = World::with_links(4, 1, in_a_line);
    let room = Room::Table(TABLE);
    assert_eq!(world.say(3, room, "no table yet"), Err(Refusal::NotAtTable));
    let name = Text::new("table").unwrap();
    world.do_it(0, Operation::OpenTable { name, rules: rules(), bank: Chips(1_000) });
    assert_eq!(world.say(3, room, "not seated"), Err(Refusal::NotAtTable));
    world.do_it(3, Operation::Sit { table: TABLE });
    world.say(3, room, "hard eight!").unwrap();
    world.run_until(SECOND, |_| false);
    world.say(0, room, "good luck").unwrap();
    world.run_until(SECOND, |_| false);
    for index in 0..5 {
        let heard = world.told(index);
        assert_eq!(heard, [(room, 3, "hard eight!".into()), (room, 0, "good luck".into())]);
        assert_eq!(world.shows(index, room), 2);
    }
    for _ in 0..8 {
        world.say(3, room, "more").unwrap();
    }
    assert_eq!(world.say(3, room, "too much"), Err(Refusal::TooMuchTalk));
    assert_eq!(world.say(3, Room::Peer(world.peer(0)), "too"), Err(Refusal::TooMuchTalk));
}
