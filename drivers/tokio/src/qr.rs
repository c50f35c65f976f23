//! A ticket as a QR code made of half-block characters, for a terminal and a camera.

use anyhow::Context as _;
use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// Two modules a character, light on dark as terminals are. Upper-case letters and digits take the
/// least space, and tickets are read in either case.
pub(crate) fn code(ticket: &str) -> anyhow::Result<String> {
    let code = QrCode::with_error_correction_level(ticket.to_uppercase(), EcLevel::L);
    let code = code.context("the ticket does not fit a QR code")?;
    let mut image = code.render::<Dense1x2>();
    Ok(image.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_ticket_fits_a_window_of_usual_size() {
        let ticket = format!("ticket1{}", "a7".repeat(150));
        let code = code(&ticket).unwrap();
        let lines: Vec<_> = code.lines().collect();
        assert!(lines.len() <= 36 && lines.iter().all(|line| line.chars().count() <= 72));
        assert!(lines.iter().any(|line| line.contains('▀')));
    }

    #[test]
    fn what_fits_no_code_is_said_to() {
        assert!(code(&"a".repeat(5_000)).is_err());
    }
}
