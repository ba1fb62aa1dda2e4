//! A document's chart as inline SVG: attributes only, so that a strict content security policy has nothing to refuse, and
//! colours that are seen on light and on dark.

use super::html::escape;
use super::scale::Scale;
use super::{Cell, Chart, Series};
use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
/// What is left free around the lines, for the axes' words.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 24.0;
const BOTTOM: f64 = 48.0;

/// Each at least 3:1 against white and against near black, and told apart by people who see colours differently.
const COLOURS: [&str; 6] = ["#2586c8", "#d55e00", "#009e73", "#b8609a", "#8c7a00", "#808080"];

/// Writes the chart: a figure with its picture and its legend. Nothing when no line has a value.
pub(super) fn render(chart: &Chart, out: &mut String) {
    let Some(scale) = Scale::of(chart.series.iter().flat_map(values).flatten()) else { return };
    let positions = chart.series.iter().map(|series| series.values.len()).max().unwrap_or_default();
    out.push_str("<figure class=\"report-figure\">\n<div class=\"report-scroll\">\n");
    let _ = write!(
        out,
        "<svg class=\"report-chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"100%\" role=\"img\" aria-label=\"{}\" \
         font-size=\"13\" fill=\"currentColor\">\n<title>{}</title>\n<desc>{}</desc>\n",
        escape(&chart.title),
        escape(&chart.title),
        escape(&description(chart, positions)),
    );
    axes(chart, &scale, positions, out);
    for (index, series) in chart.series.iter().enumerate() {
        line(series, index, &scale, positions, out);
    }
    out.push_str("</svg>\n</div>\n<figcaption>\n");
    let _ = writeln!(out, "<p>{}</p>\n<ul class=\"report-legend\">", escape(&chart.title));
    for (index, series) in chart.series.iter().enumerate() {
        let _ = writeln!(
            out,
            "<li><svg viewBox=\"0 0 32 8\" width=\"32\" height=\"8\" aria-hidden=\"true\"><line x1=\"0\" y1=\"4\" \
             x2=\"32\" y2=\"4\"{}/></svg> {}</li>",
            stroke(series, index),
            escape(&series.label)
        );
    }
    out.push_str("</ul>\n</figcaption>\n</figure>\n");
}

/// A line's values; what is not finite is a gap too.
fn values(series: &Series) -> impl Iterator<Item = Option<f64>> {
    series.values.iter().map(|value| value.filter(|value| value.is_finite()))
}

fn description(chart: &Chart, positions: usize) -> String {
    let mut text = format!("{} over {}", chart.y_label, chart.x_label);
    if let (Some(first), Some(last)) = (chart.x.first(), chart.x.get(positions.saturating_sub(1))) {
        let _ = write!(text, ", from {first} to {last}");
    }
    for series in &chart.series {
        let range = values(series).flatten().fold(None, |range: Option<(f64, f64)>, value| {
            Some(range.map_or((value, value), |(low, high)| (low.min(value), high.max(value))))
        });
        match range {
            Some((low, high)) => {
                let _ = write!(text, "; {}: {} to {}", series.label, Cell::Number(low), Cell::Number(high));
            }
            None => {
                let _ = write!(text, "; {}: no values", series.label);
            }
        }
    }
    text + "."
}

fn axes(chart: &Chart, scale: &Scale, positions: usize, out: &mut String) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
    for (place, label) in scale.marks() {
        let y = bottom - place * (bottom - TOP);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"currentColor\" \
             stroke-opacity=\"0.2\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 6.0,
            y + 4.5,
        );
    }
    let _ = writeln!(
        out,
        "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\"0.6\"/>"
    );
    for (index, anchor) in marked(positions, chart) {
        let label = chart.x.get(index).map(String::as_str).unwrap_or_default();
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>",
            x_of(index, positions),
            bottom + 18.0,
            escape(&short(label, 24))
        );
    }
    let _ = writeln!(out, "<text x=\"4\" y=\"14\">{}</text>", escape(&short(&chart.y_label, 80)));
    let _ = writeln!(
        out,
        "<text x=\"{right}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
        HEIGHT - 8.0,
        escape(&short(&chart.x_label, 80))
    );
}

/// The positions that have their name at the horizontal axis: as many as fit beside each other, the ends among them.
fn marked(positions: usize, chart: &Chart) -> Vec<(usize, &'static str)> {
    let longest = chart.x.iter().map(|label| label.chars().count().min(24)).max().unwrap_or(1) as f64;
    // The first one stands right of its position and the last one left of it, so between marks is half a name more.
    let fitting = ((WIDTH - LEFT - RIGHT) / (longest * 11.0 + 10.0)).floor().clamp(1.0, 8.0) as usize;
    if positions == 0 {
        return Vec::new();
    }
    let last = positions - 1;
    let step = last.div_ceil(fitting).max(1);
    let mut marks: Vec<usize> = (0..=last).step_by(step).collect();
    if let Some(end) = marks.pop()
        && (end == 0 || last - end >= step)
    {
        marks.push(end);
    }
    marks.push(last);
    marks.dedup();
    let anchor = |index: usize| match index {
        _ if last == 0 => "middle",
        0 => "start",
        index if index == last => "end",
        _ => "middle",
    };
    marks.into_iter().map(|index| (index, anchor(index))).collect()
}

fn line(series: &Series, index: usize, scale: &Scale, positions: usize, out: &mut String) {
    let y_of = |value: f64| HEIGHT - BOTTOM - scale.place(value) * (HEIGHT - BOTTOM - TOP);
    let mut path = String::new();
    let mut lone = String::new();
    for run in runs(series) {
        let points = thin(&run, positions);
        for (count, &(position, value)) in points.iter().enumerate() {
            let command = if count == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{command}{:.1} {:.1}", x_of(position, positions), y_of(value));
        }
        // A line of one point has no length: it is shown as a dot.
        if let [(position, value)] = points.as_slice() {
            let colour = colour(index);
            let (x, y) = (x_of(*position, positions), y_of(*value));
            let _ = writeln!(lone, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2\" fill=\"{colour}\"/>");
        }
    }
    if !path.is_empty() {
        let _ = writeln!(out, "<path d=\"{path}\"{}/>", stroke(series, index));
        out.push_str(&lone);
    }
}

/// The stretches of a line between its gaps, with the position of each value.
fn runs(series: &Series) -> Vec<Vec<(usize, f64)>> {
    let mut runs = vec![Vec::new()];
    for (position, value) in values(series).enumerate() {
        match (value, runs.last_mut()) {
            (Some(value), Some(run)) => run.push((position, value)),
            (None, Some(run)) if !run.is_empty() => runs.push(Vec::new()),
            _ => {}
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

/// Of more points than the picture can show, the lowest and the highest of each place: no peak is lost.
fn thin(run: &[(usize, f64)], positions: usize) -> Vec<(usize, f64)> {
    let each = positions.div_ceil(WIDTH as usize);
    if each <= 2 {
        return run.to_vec();
    }
    let mut points = Vec::new();
    for part in run.chunks(each) {
        let by_value = |left: &&(usize, f64), right: &&(usize, f64)| left.1.total_cmp(&right.1);
        let (low, high) = (part.iter().min_by(by_value), part.iter().max_by(by_value));
        let mut both: Vec<(usize, f64)> = low.into_iter().chain(high).copied().collect();
        both.sort_by_key(|&(position, _)| position);
        both.dedup_by_key(|&mut (position, _)| position);
        points.extend(both);
    }
    points
}

fn x_of(position: usize, positions: usize) -> f64 {
    let width = WIDTH - LEFT - RIGHT;
    if positions < 2 { LEFT + width / 2.0 } else { LEFT + width * position as f64 / (positions as f64 - 1.0) }
}

/// A line's attributes. Lines differ in their strokes too, not in colour alone.
fn stroke(series: &Series, index: usize) -> String {
    let dashes = match (series.forecast, index % 3) {
        (true, 0) => " stroke-dasharray=\"6 4\"",
        (true, 1) => " stroke-dasharray=\"2 3\"",
        (true, _) => " stroke-dasharray=\"8 3 2 3\"",
        (false, _) => "",
    };
    let width = if index == 0 { "1.2" } else { "2" };
    format!(" fill=\"none\" stroke=\"{}\" stroke-width=\"{width}\"{dashes}", colour(index))
}

fn colour(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()]
}

fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}
