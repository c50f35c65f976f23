//! stub, replaced by the chain branch
mod transaction;
pub use transaction::*;
pub struct Genesis;
pub struct State;
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection;
impl core::fmt::Display for Rejection {
    fn fmt(&self, _: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        Ok(())
    }
}
