//! QR codes as a path of SVG, for pages and for applications.

use qrcode::{Color, QrCode};
use std::fmt::Write;

/// Modules that must be left free around it (ISO/IEC 18004).
const MARGIN: usize = 4;

/// The dark modules as one path, with the width of the whole in modules; `None` if the text does not fit.
pub fn path(text: &str) -> Option<(String, usize)> {
    let code = QrCode::new(text.as_bytes()).ok()?;
    let width = code.width();
    let colours = code.to_colors();
    let mut path = String::new();
    for (y, row) in colours.chunks(width).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let _ = write!(path, "M{} {}h{}v1h-{}z", x + MARGIN, y + MARGIN, run.len(), run.len());
            }
            x += run.len();
        }
    }
    Some((path, width + 2 * MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dark_module_is_drawn_once_and_nothing_else() {
        let text = "otpauth://totp/Example:alice?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Example";
        let (path, width) = path(text).unwrap();
        let code = QrCode::new(text.as_bytes()).unwrap();
        assert_eq!(width, code.width() + 8);
        let mut drawn = vec![vec![false; width]; width];
        for part in path.split('M').skip(1) {
            let numbers: Vec<usize> =
                part.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            let (x, y, run) = (numbers[0], numbers[1], numbers[2]);
            for cell in &mut drawn[y][x..x + run] {
                assert!(!*cell);
                *cell = true;
            }
        }
        for (y, row) in drawn.iter().enumerate() {
            for (x, cell) in row.iter().enumerate() {
                let inside = (4..width - 4).contains(&x) && (4..width - 4).contains(&y);
                assert_eq!(*cell, inside && code[(x - 4, y - 4)] == Color::Dark, "{x} {y}");
            }
        }
    }
}
