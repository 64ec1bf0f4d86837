//! Prometheus' text format, version 0.0.4: comments with help and kind, then a line for each sample.

use crate::base::meter::{BOUNDS, Durations};
use std::fmt::Write;

/// What a family's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It only rises.
    Counter,
    /// It rises and falls.
    Gauge,
    /// Buckets of durations.
    Histogram,
}

impl Kind {
    /// Its name in the format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Samples of one name.
#[derive(Debug)]
pub struct Family {
    /// The name.
    pub name: &'static str,
    /// What they are.
    pub kind: Kind,
    /// Names of the labels.
    pub labels: &'static [&'static str],
    /// What is counted, in a sentence.
    pub help: &'static str,
}

/// A text that grows.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

impl Exposition {
    /// Begins a family; its samples follow. One without samples is left out.
    pub(super) fn family<'f>(&'f mut self, family: &'static Family) -> Samples<'f> {
        Samples { text: &mut self.0, family, begun: false }
    }

    pub(super) fn finish(self) -> String {
        self.0
    }
}

/// Where samples of a family go.
pub(super) struct Samples<'f> {
    text: &'f mut String,
    family: &'static Family,
    begun: bool,
}

impl Samples<'_> {
    /// A whole number. There are as many values as the family has labels.
    pub(super) fn number(&mut self, values: &[&str], number: u64) -> &mut Self {
        self.line("", values, None, format_args!("{number}"));
        self
    }

    /// Durations in seconds.
    pub(super) fn durations(&mut self, values: &[&str], durations: &Durations) -> &mut Self {
        for (bound, up_to) in BOUNDS.iter().zip(durations.up_to) {
            self.line("_bucket", values, Some(&seconds(*bound)), format_args!("{up_to}"));
        }
        self.line("_bucket", values, Some("+Inf"), format_args!("{}", durations.count));
        self.line("_sum", values, None, format_args!("{}", seconds(durations.micros)));
        self.line("_count", values, None, format_args!("{}", durations.count));
        self
    }

    fn line(&mut self, suffix: &str, values: &[&str], bound: Option<&str>, value: std::fmt::Arguments<'_>) {
        let Family { name, kind, labels, help } = self.family;
        // A `String` takes anything.
        if !std::mem::replace(&mut self.begun, true) {
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {}", kind.as_str());
        }
        let _ = write!(self.text, "{name}{suffix}");
        let pairs =
            labels.iter().copied().zip(values.iter().copied()).chain(bound.map(|bound| ("le", bound)));
        let mut between = '{';
        for (label, value) in pairs {
            let _ = write!(self.text, "{between}{label}=\"{}\"", escaped(value));
            between = ',';
        }
        let _ = writeln!(self.text, "{} {value}", if between == ',' { "}" } else { "" });
    }
}

/// Microseconds as seconds, without the errors of binary fractions.
fn seconds(micros: u64) -> String {
    let (whole, part) = (micros / 1_000_000, micros % 1_000_000);
    let text = format!("{whole}.{part:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::meter::Histogram;
    use std::time::Duration;

    const LOGINS: Family =
        Family { name: "logins_total", kind: Kind::Counter, labels: &["client", "outcome"], help: "Logins." };
    const EMPTY: Family = Family { name: "empty", kind: Kind::Gauge, labels: &[], help: "Nothing." };
    const TOOK: Family =
        Family { name: "took_seconds", kind: Kind::Histogram, labels: &["stage"], help: "Durations." };

    #[test]
    fn text_is_as_prometheus_reads_it() {
        let mut text = Exposition::default();
        text.family(&LOGINS).number(&["a\"b\\c\nd", "accept"], 3).number(&["vpn", "reject"], 4);
        text.family(&EMPTY);
        text.family(&EMPTY).number(&[], 7);
        let expected = "# HELP logins_total Logins.\n# TYPE logins_total counter\n\
                        logins_total{client=\"a\\\"b\\\\c\\nd\",outcome=\"accept\"} 3\n\
                        logins_total{client=\"vpn\",outcome=\"reject\"} 4\n\
                        # HELP empty Nothing.\n# TYPE empty gauge\nempty 7\n";
        assert_eq!(text.finish(), expected);
    }

    #[test]
    fn durations_are_buckets_that_add_up_in_seconds() {
        let (histogram, mut text) = (Histogram::default(), Exposition::default());
        histogram.observe(Duration::from_micros(120), 1);
        histogram.observe(Duration::from_secs(11), 2);
        text.family(&TOOK).durations(&["store"], &histogram.read());
        let text = text.finish();
        assert!(text.contains("took_seconds_bucket{stage=\"store\",le=\"0.0001\"} 0\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{stage=\"store\",le=\"0.00025\"} 1\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{stage=\"store\",le=\"10\"} 1\n"), "{text}");
        assert!(text.contains("took_seconds_bucket{stage=\"store\",le=\"+Inf\"} 3\n"), "{text}");
        assert!(
            text.ends_with(
                "took_seconds_sum{stage=\"store\"} 22.00012\ntook_seconds_count{stage=\"store\"} 3\n"
            ),
            "{text}"
        );
    }
}
