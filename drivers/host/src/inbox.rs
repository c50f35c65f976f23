//! Everything that happens, in the order in which it happened, on its way to the loop.
//!
//! Bounded in every direction: a link may have [`CREDIT_FRAMES`] frames or about
//! [`CREDIT_BYTES`] waiting and reads no more from its peer until some are handled; there are at
//! most [`LINKS`] links, and at most [`REQUESTS`] requests from this machine. Whoever puts
//! something in never waits for the loop.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use bitcraps_protocol::block::Height;
use bitcraps_protocol::event::{
    Command, CommandId, Direction, Endpoint, Event, LinkId, LinkKind, Notice, Refusal,
};
use bitcraps_protocol::light::{Proven, Subject};
use bitcraps_protocol::node::{NoProof, Node};
use bytes::Bytes;

use crate::links::LinkSink;
use crate::sync::{Arc, Bug, Condvar, Mutex, MutexGuard, StdArc, has, lock, wait_while};

/// Frames of one link that may wait.
pub const CREDIT_FRAMES: usize = if cfg!(loom) { 1 } else { 64 };

/// Bytes of one link that may wait; the frame that reaches this is still taken.
pub const CREDIT_BYTES: usize = 256 * 1024;

/// Links at one time. More are closed as they open.
pub const LINKS: usize = 512;

/// Requests from this machine that may wait. More are dropped.
pub const REQUESTS: usize = 1024;

/// Inputs handed to the loop at a time, after which it syncs: what depends on a record waits for
/// no more than these.
const BATCH: usize = 64;

/// Gets the answer to a command.
pub type Reply = Box<dyn FnOnce(Result<CommandId, Refusal>) + Send>;

/// Looks at the node on its own thread.
pub type Question = Box<dyn FnOnce(&Node) + Send>;

/// Gets what a light node had proved to it, or why nothing was.
pub type ProofReply = Box<dyn FnOnce(Result<Proven, NoProof>) + Send>;

/// Gets records of final blocks, or why they cannot be read.
pub type Readout = Box<dyn FnOnce(Result<Vec<(Height, Bytes)>, String>) + Send>;

/// Is shown every notice until it breaks off.
pub type Observer = Box<dyn FnMut(&Notice) -> ControlFlow<()> + Send>;

/// Tries to open a link to an endpoint of one transport.
pub type Dialer = Box<dyn FnMut(Endpoint) + Send>;

/// Told that a link may receive again.
pub(crate) type OnCredit = StdArc<dyn Fn() + Send + Sync>;

/// Something for the loop.
pub enum Input {
    /// Something happened. Never `LinkUp`.
    Event(Event),
    /// A link came up.
    LinkUp(LinkUp),
    /// The local player wants something.
    Submit(Box<Command>, Reply),
    /// Somebody wants to look at the node.
    Query(Question),
    /// Somebody wants to read final blocks, from this height on.
    Blocks(Height, Readout),
    /// Somebody wants something proved by the neighbours of a light node.
    Prove(Subject, ProofReply),
    /// Somebody wants to hear notices.
    Subscribe(Observer),
    /// A transport, by its tag, can dial.
    Dialer(u8, Dialer),
}

/// A link that came up.
pub struct LinkUp {
    /// Its name.
    pub link: LinkId,
    /// What it promises.
    pub kind: LinkKind,
    /// Bytes of the largest frame it carries.
    pub mtu: u32,
    /// Who opened it.
    pub direction: Direction,
    /// The other end.
    pub endpoint: Endpoint,
    /// Where its outgoing frames go.
    pub sink: Box<dyn LinkSink>,
}

/// What the loop found in its inbox.
pub enum Taken {
    /// These, in order; perhaps none.
    Inputs(Vec<Input>),
    /// It is to stop.
    Stop,
}

/// The loop's end. Dropping it closes the inbox: what waits in it, and what comes later, is
/// dropped.
pub struct Inbox {
    shared: Arc<Shared>,
    /// What the batch handed out last holds of each link's credit.
    lent: BTreeMap<LinkId, Load>,
    /// Links that were down in it.
    gone: Vec<LinkId>,
    /// When each input of it had arrived.
    arrivals: Vec<Instant>,
}

/// Everybody else's end.
pub(crate) struct Shared {
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Default)]
struct State {
    /// With the time at which each arrived.
    queue: VecDeque<(Instant, Input)>,
    /// How many of `queue` are requests from this machine.
    requests: usize,
    links: BTreeMap<LinkId, LinkState>,
    last_link: u64,
    must_stop: bool,
    is_closed: bool,
}

struct LinkState {
    waiting: Load,
    /// A frame was turned away; its reader is told when there is credit.
    is_starved: bool,
    /// The node has closed the link: what arrives on it no longer matters.
    is_closed: bool,
    on_credit: OnCredit,
}

#[derive(Clone, Copy, Default)]
struct Load {
    frames: usize,
    bytes: usize,
}

impl Inbox {
    /// An empty inbox.
    #[expect(clippy::new_without_default, reason = "an inbox is half of a pair")]
    pub fn new() -> Self {
        let shared = Shared { state: Mutex::default(), arrived: Condvar::new() };
        Self {
            shared: Arc::new(shared),
            lent: BTreeMap::new(),
            gone: Vec::new(),
            arrivals: Vec::new(),
        }
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// The next inputs, waiting for one at most `patience`. Asking for them says that all earlier
    /// ones have been handled, which gives their links credit again.
    pub fn take(&mut self, patience: Duration) -> Taken {
        for wake in self.give_back() {
            wake();
        }
        let state = lock(&self.shared.state);
        let is_idle = |state: &mut State| state.queue.is_empty() && !state.must_stop;
        let mut state = wait_while(&self.shared.arrived, state, patience, is_idle);
        if state.must_stop {
            return Taken::Stop;
        }
        let count = state.queue.len().min(BATCH);
        let (arrivals, inputs): (Vec<Instant>, Vec<Input>) = state.queue.drain(..count).unzip();
        state.requests -= inputs.iter().filter(|input| input.is_request()).count();
        drop(state);
        self.arrivals = arrivals;
        self.note_lent(&inputs);
        Taken::Inputs(inputs)
    }

    /// When each of the inputs that were taken last had arrived.
    pub(crate) fn arrivals(&mut self) -> Vec<Instant> {
        std::mem::take(&mut self.arrivals)
    }

    /// Ignores what a link receives from now on: the node has closed it.
    pub fn close_link(&self, link: LinkId) {
        if let Some(link) = lock(&self.shared.state).links.get_mut(&link) {
            link.is_closed = true;
        }
    }

    fn note_lent(&mut self, inputs: &[Input]) {
        for input in inputs {
            let Input::Event(event) = input else { continue };
            if let Event::Received { link, frame } = event {
                let lent = self.lent.entry(*link).or_default();
                lent.frames += 1;
                lent.bytes += frame.len();
            } else if let Event::LinkDown { link } = event {
                self.gone.push(*link);
            }
        }
    }

    fn give_back(&mut self) -> Vec<OnCredit> {
        let mut wakes = Vec::new();
        let mut state = lock(&self.shared.state);
        for (link, lent) in std::mem::take(&mut self.lent) {
            let Some(link) = state.links.get_mut(&link) else { continue };
            link.waiting.frames -= lent.frames;
            link.waiting.bytes -= lent.bytes;
            if std::mem::take(&mut link.is_starved) {
                wakes.push(link.on_credit.clone());
            }
        }
        let gone: Vec<_> =
            self.gone.drain(..).filter_map(|link| state.links.remove(&link)).collect();
        drop(state);
        drop(gone);
        wakes
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.is_closed = !has(Bug::NeverClosed);
        let dropped = (std::mem::take(&mut state.queue), std::mem::take(&mut state.links));
        // Dropped closures and sinks may come back to this lock.
        drop(state);
        drop(dropped);
    }
}

impl Input {
    /// Whether it counts against [`REQUESTS`].
    fn is_request(&self) -> bool {
        match self {
            Self::Submit(..)
            | Self::Query(_)
            | Self::Blocks(..)
            | Self::Prove(..)
            | Self::Subscribe(_)
            | Self::Dialer(..) => true,
            Self::Event(event) => {
                let kind = matches!(event, Event::Discovered { .. } | Event::Reachable { .. });
                kind || matches!(event, Event::SnapshotWanted)
            }
            Self::LinkUp(_) => false,
        }
    }
}

impl Shared {
    /// Puts in a request of this machine, or gives it back if there are too many or the loop is
    /// gone.
    pub(crate) fn request(&self, input: Input) -> Result<(), Input> {
        let mut state = lock(&self.state);
        if state.is_closed || state.requests >= REQUESTS {
            return Err(input);
        }
        state.requests += 1;
        self.push(state, input);
        Ok(())
    }

    /// Puts in a completion. There are never more of these than the node has asked for.
    pub(crate) fn complete(&self, event: Event) {
        let state = lock(&self.state);
        if !state.is_closed {
            self.push(state, Input::Event(event));
        }
    }

    /// Puts in a new link, unless the loop is gone or there are too many.
    pub(crate) fn open_link(
        &self,
        on_credit: OnCredit,
        up: impl FnOnce(LinkId) -> LinkUp,
    ) -> Option<LinkId> {
        let mut state = lock(&self.state);
        if state.is_closed || state.links.len() >= LINKS {
            return None;
        }
        state.last_link += 1;
        let link = LinkId(state.last_link);
        let waiting = Load::default();
        state
            .links
            .insert(link, LinkState { waiting, is_starved: false, is_closed: false, on_credit });
        self.push(state, Input::LinkUp(up(link)));
        Some(link)
    }

    /// Puts in a received frame, or gives it back if the link has no credit.
    pub(crate) fn receive(&self, id: LinkId, frame: Bytes) -> Result<(), Bytes> {
        let mut state = lock(&self.state);
        let Some(link) = state.links.get_mut(&id).filter(|link| !link.is_closed) else {
            return Ok(());
        };
        if link.waiting.frames >= CREDIT_FRAMES || link.waiting.bytes >= CREDIT_BYTES {
            link.is_starved = !has(Bug::StarvedForgotten);
            return Err(frame);
        }
        link.waiting.frames += 1;
        link.waiting.bytes += frame.len();
        self.push(state, Input::Event(Event::Received { link: id, frame }));
        Ok(())
    }

    /// Puts in that a frame of the link has left.
    pub(crate) fn sent(&self, id: LinkId) {
        let state = lock(&self.state);
        if state.links.get(&id).is_some_and(|link| !link.is_closed) {
            self.push(state, Input::Event(Event::Sent { link: id }));
        }
    }

    /// Puts in that the link is gone, also if the node has closed it: it counts until then.
    pub(crate) fn link_down(&self, id: LinkId) {
        let state = lock(&self.state);
        if state.links.contains_key(&id) {
            self.push(state, Input::Event(Event::LinkDown { link: id }));
        }
    }

    pub(crate) fn stop(&self) {
        lock(&self.state).must_stop = true;
        if !has(Bug::StopWakesNobody) {
            self.arrived.notify_one();
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    fn push(&self, mut state: MutexGuard<'_, State>, input: Input) {
        state.queue.push_back((Instant::now(), input));
        let may_be_waiting = state.queue.len() == 1 && !has(Bug::InputWakesNobody);
        drop(state);
        if may_be_waiting {
            self.arrived.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use bitcraps_protocol::event::CloseReason;

    use super::*;
    use crate::links::{LinkInbound, Links};

    struct Sink(Arc<AtomicUsize>);

    impl LinkSink for Sink {
        fn send(&mut self, _frame: Bytes) {}

        fn close(&mut self, _reason: CloseReason) {}
    }

    impl Drop for Sink {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A link, how often its sink was dropped, and how often it was told of credit.
    fn open(links: &Links) -> (LinkInbound, Arc<AtomicUsize>, Arc<AtomicUsize>) {
        let (dropped, woken) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let wake = woken.clone();
        let endpoint = Endpoint { transport: 9, bytes: Bytes::new() };
        let sink = Box::new(Sink(dropped.clone()));
        let on_credit = move || {
            wake.fetch_add(1, Ordering::SeqCst);
        };
        let kind = LinkKind::Stream;
        let link = links.open(kind, 100, Direction::Inbound, endpoint, sink, on_credit);
        (link, dropped, woken)
    }

    fn take(inbox: &mut Inbox) -> Vec<String> {
        let Taken::Inputs(inputs) = inbox.take(Duration::ZERO) else { return vec!["stop".into()] };
        inputs
            .into_iter()
            .map(|input| match input {
                Input::Event(Event::Received { link, frame }) => format!("{link} {frame:?}"),
                Input::Event(Event::Sent { link }) => format!("{link} sent"),
                Input::Event(Event::LinkDown { link }) => format!("{link} down"),
                Input::Event(event) => format!("{event:?}"),
                Input::LinkUp(up) => format!("{} up", up.link),
                Input::Submit(..) => "submit".into(),
                Input::Query(_) => "query".into(),
                Input::Blocks(..) => "blocks".into(),
                Input::Prove(..) => "prove".into(),
                Input::Subscribe(_) => "subscribe".into(),
                Input::Dialer(transport, _) => format!("dialer {transport}"),
            })
            .collect()
    }

    #[test]
    fn what_happens_on_links_arrives_in_order() {
        let mut inbox = Inbox::new();
        let links = Links::of(&inbox);
        let (first, ..) = open(&links);
        first.try_receive(Bytes::from_static(b"a")).unwrap();
        let (second, ..) = open(&links);
        second.try_receive(Bytes::from_static(b"b")).unwrap();
        first.sent();
        drop(second);
        drop(first);
        let expected = ["1 up", "1 b\"a\"", "2 up", "2 b\"b\"", "1 sent", "2 down", "1 down"];
        assert_eq!(take(&mut inbox), expected);
        assert_eq!(take(&mut inbox), [""; 0]);
    }

    #[test]
    fn a_link_has_credit_for_so_many_frames_and_gets_it_back_when_they_are_handled() {
        let mut inbox = Inbox::new();
        let (link, _, woken) = open(&Links::of(&inbox));
        let frame = Bytes::from_static(b"frame");
        for _ in 0..CREDIT_FRAMES {
            link.try_receive(frame.clone()).unwrap();
        }
        assert_eq!(link.try_receive(frame.clone()), Err(frame.clone()));
        assert_eq!(take(&mut inbox).len(), BATCH);
        assert_eq!(link.try_receive(frame.clone()), Err(frame.clone()), "not handled yet");
        assert_eq!(woken.load(Ordering::SeqCst), 0);
        assert_eq!(take(&mut inbox).len(), 1);
        assert_eq!(woken.load(Ordering::SeqCst), 1);
        link.try_receive(frame).unwrap();
    }

    #[test]
    fn a_link_has_credit_for_so_many_bytes() {
        let mut inbox = Inbox::new();
        let links = Links::of(&inbox);
        let (link, ..) = open(&links);
        let (other, ..) = open(&links);
        let frame = Bytes::from(vec![0; CREDIT_BYTES / 2 + 1]);
        link.try_receive(frame.clone()).unwrap();
        link.try_receive(frame.clone()).unwrap();
        assert!(link.try_receive(Bytes::from_static(b"x")).is_err());
        other.try_receive(frame).unwrap();
        take(&mut inbox);
    }

    #[test]
    fn a_link_that_the_node_closed_swallows_what_still_arrives() {
        let mut inbox = Inbox::new();
        let (link, ..) = open(&Links::of(&inbox));
        take(&mut inbox);
        inbox.close_link(LinkId(1));
        link.try_receive(Bytes::from_static(b"late")).unwrap();
        link.sent();
        drop(link);
        assert_eq!(take(&mut inbox), ["1 down"]);
    }

    #[test]
    fn links_and_requests_are_bounded() {
        let mut inbox = Inbox::new();
        let links = Links::of(&inbox);
        let mut open_links: Vec<_> = (0..LINKS).map(|_| open(&links)).collect();
        let (refused, dropped, _) = open(&links);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert_eq!(refused.try_receive(Bytes::from_static(b"x")), Ok(()));
        drop(refused);
        open_links.pop();
        let (_refused, dropped, _) = open(&links);
        assert_eq!(dropped.load(Ordering::SeqCst), 1, "a link counts until its end was handled");
        while !take(&mut inbox).is_empty() {}
        let (_taken, dropped, _) = open(&links);
        assert_eq!(take(&mut inbox), [format!("{} up", LINKS + 1)]);
        assert_eq!(dropped.load(Ordering::SeqCst), 1);

        let shared = inbox.shared();
        let query = || Input::Query(Box::new(|_| {}));
        for _ in 0..REQUESTS {
            assert!(shared.request(query()).is_ok());
        }
        assert!(shared.request(query()).is_err());
        assert_eq!(take(&mut inbox).len(), BATCH);
        assert!(shared.request(query()).is_ok());
    }

    #[test]
    fn a_closed_inbox_drops_everything_and_takes_nothing() {
        let inbox = Inbox::new();
        let links = Links::of(&inbox);
        let (link, dropped, _) = open(&links);
        link.try_receive(Bytes::from_static(b"a")).unwrap();
        // A closure that comes back to the inbox when it is dropped must find it unlocked.
        let held = open(&links).0;
        let back = Input::Query(Box::new(move |_| drop(held)));
        assert!(inbox.shared().request(back).is_ok());
        drop(inbox);
        assert!(links.are_over());
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
        assert_eq!(link.try_receive(Bytes::from_static(b"b")), Ok(()));
    }

    #[test]
    fn a_waiting_loop_is_woken_by_inputs_and_by_the_stop() {
        let mut inbox = Inbox::new();
        let shared = inbox.shared();
        let waker = thread::spawn(move || {
            thread::sleep(Duration::from_millis(20));
            shared.complete(Event::Tick);
            thread::sleep(Duration::from_millis(20));
            shared.stop();
        });
        let patience = Duration::from_secs(60);
        assert!(matches!(inbox.take(patience), Taken::Inputs(inputs) if inputs.len() == 1));
        assert!(matches!(inbox.take(patience), Taken::Stop));
        waker.join().unwrap();
    }
}
