//! Logins and failures by the hour, drawn here: accepted ones above the line, refused ones below it, so that nobody has to tell
//! colours apart. The same figures stand in a table below.

use super::super::super::view::View;
use super::super::moment;
use super::stamp;
use crate::domain::activity::Activity;
use maud::{Markup, html};

const LEFT: u64 = 48;
/// Width of an hour, and of its bar.
const SLOT: u64 = 28;
const BAR: u64 = 20;
/// Height of the longest bar, up or down.
const HALF: u64 = 96;
const TOP: u64 = 16;
const LINE: u64 = TOP + HALF;
/// Every so many hours one is named.
const NAMED: usize = 3;

/// Height of a bar; what is there at all can be seen.
fn height(count: u64, most: u64) -> u64 {
    match count {
        0 => 0,
        count => (u128::from(count) * u128::from(HALF))
            .checked_div(most.into())
            .map_or(HALF, |height| u64::try_from(height).unwrap_or(HALF).clamp(1, HALF)),
    }
}

/// Picture, legend and table.
pub(super) fn show(view: &View<'_>, activity: &Activity) -> Markup {
    let (accepted, refused) = activity.hours.iter().fold((0_u64, 0_u64), |(yes, no), hour| {
        (yes.saturating_add(hour.accepted), no.saturating_add(hour.refused))
    });
    let values = [("accepted", accepted.to_string()), ("refused", refused.to_string())];
    let values = values.each_ref().map(|(name, value)| (*name, value.as_str()));
    html! {
        (picture(view, activity, &view.with("admin-chart", &values)))
        p.note { (view.say("admin-chart-legend")) }
        @if let Some(since) = activity.since { p.note { (view.with("admin-chart-since", &[("time", &stamp(since))])) } }
        details {
            summary { (view.say("admin-chart-table")) }
            div.wide tabindex="0" role="region" aria-label=(view.say("admin-chart-table")) { table {
                thead { tr {
                    th scope="col" { (view.say("admin-hour")) }
                    th.number scope="col" { (view.say("admin-accepted")) }
                    th.number scope="col" { (view.say("admin-refused")) }
                } }
                tbody { @for hour in &activity.hours { tr {
                    th scope="row" { (stamp(hour.from)) }
                    td.number { (hour.accepted) }
                    td.number { (hour.refused) }
                } } }
            } }
        }
    }
}

fn picture(view: &View<'_>, activity: &Activity, description: &str) -> Markup {
    let most = activity.most();
    let width = LEFT + SLOT * activity.hours.len() as u64;
    let (bottom, total) = (LINE + HALF, LINE + HALF + 24);
    html! {
        svg.chart viewBox={ "0 0 " (width) " " (total) } role="img" aria-labelledby="chart-title chart-text" {
            title id="chart-title" { (view.say("admin-logins")) }
            desc id="chart-text" { (description) }
            @for y in [TOP, bottom] { line.line x1=(LEFT) x2=(width) y1=(y) y2=(y) {} }
            @if most > 0 {
                @for y in [TOP, bottom] { text x=(LEFT - 6) y=(y + 4) text-anchor="end" { (most) } }
            }
            text x=(LEFT - 6) y=(LINE + 4) text-anchor="end" { "0" }
            @for (at, hour) in activity.hours.iter().enumerate() {
                @let x = LEFT + SLOT * at as u64;
                @let (up, down) = (height(hour.accepted, most), height(hour.refused, most));
                @if up > 0 { rect.accepted x=(x + (SLOT - BAR) / 2) y=(LINE - up) width=(BAR) height=(up) {} }
                @if down > 0 { rect.refused x=(x + (SLOT - BAR) / 2) y=(LINE) width=(BAR) height=(down) {} }
                @if at % NAMED == 0 { text x=(x + SLOT / 2) y=(bottom + 18) text-anchor="middle" { (moment(hour.from)) } }
            }
            line.line x1=(LEFT) x2=(width) y1=(LINE) y2=(LINE) {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_bar_fills_its_half_and_the_least_can_be_seen() {
        assert_eq!(height(0, 10), 0);
        assert_eq!(height(10, 10), HALF);
        assert_eq!(height(5, 10), HALF / 2);
        assert_eq!(height(1, 1_000_000), 1);
        assert_eq!(height(u64::MAX, u64::MAX), HALF, "however many there are");
    }
}
