//! Everything that is printed for people and programs; logs go elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

/// Standard output, in words or in JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Prints an answer: as one line of JSON, or in words.
    pub(crate) fn answer(
        self,
        value: &impl Serialize,
        words: impl FnOnce() -> String,
    ) -> io::Result<()> {
        let text = if self.json { serde_json::to_string(value)? } else { words() };
        print(text.trim_end())
    }

    /// Prints a line of words, unless a program reads.
    pub(crate) fn words(self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { print(text) }
    }

    /// Whether somebody looks at a screen, so that it can be redrawn.
    pub(crate) fn is_screen(self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// Redraws the screen.
    pub(crate) fn redraw(self, text: &str) -> io::Result<()> {
        const HOME_AND_CLEAR: &str = "\u{1b}[H\u{1b}[J";
        let mut out = io::stdout().lock();
        writeln!(out, "{HOME_AND_CLEAR}{}", text.trim_end())?;
        out.flush()
    }
}

/// Tells people something beside the answer, on standard error.
pub(crate) fn aside(text: &str) {
    // If even standard error is gone, there is nobody to tell.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// `number` with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 7, 999, 1000, 123_456, 1_000_000].map(grouped);
        assert_eq!(texts, ["0", "7", "999", "1,000", "123,456", "1,000,000"]);
    }
}
