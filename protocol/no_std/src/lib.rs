#![no_std]
//! See `Cargo.toml`: this library exists to be linked, not to be run.

use core::panic::PanicInfo;

use bitcraps_protocol::event::{Action, Event};
use bitcraps_protocol::node::Node;
use bitcraps_protocol::time::Time;
use linked_list_allocator::LockedHeap;

#[global_allocator]
static HEAP: LockedHeap = LockedHeap::empty();

#[panic_handler]
fn halt(_: &PanicInfo<'_>) -> ! {
    loop {}
}

/// Reaches the whole core, so that all of it is linked.
pub fn step(node: &mut Node, now: Time, event: Event) -> Option<Action> {
    node.handle(now, event);
    node.poll()
}
