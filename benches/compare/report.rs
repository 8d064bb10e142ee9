//! Results as a Markdown table and as plots: bars in SVG, written by hand, so that nothing has to be installed.

use std::fmt::{Error, Write};

use serde_json::Value;

/// All results as Markdown.
pub fn markdown(results: &Value) -> Result<String, Error> {
    let mut text = String::new();
    writeln!(text, "{}, {}\n", field(results, "date"), field(results, "machine"))?;
    if let Some(versions) = results["versions"].as_object() {
        let versions =
            versions.iter().map(|(name, v)| format!("{name}: {}", v.as_str().unwrap_or("?")));
        writeln!(text, "{}\n", versions.collect::<Vec<_>>().join("; "))?;
    }
    for (set, steps) in results["sets"].as_object().into_iter().flatten() {
        writeln!(text, "## {set}\n")?;
        table(
            &mut text,
            "CPU per answer at saturation, µs (÷ base)",
            &steps["saturation"],
            &["us"],
        )?;
        table(
            &mut text,
            "Fixed rate: CPU µs, p50 µs, p99 µs (÷ gdnsd)",
            &steps["rate"],
            &["us", "p50", "p99"],
        )?;
        table(&mut text, "TCP, kept connections: CPU µs (÷ echo)", &steps["tcp"], &["us"])?;
        plain(&mut text, "Start and memory", &steps["start"])?;
        plain(&mut text, "Start again, with what was kept in data/", &steps["restart"])?;
        plain(&mut text, "Edits: renamed into place until served", &steps["edits"])?;
        plain(&mut text, "p99 while a zone is edited every 100 ms", &steps["edits_under_load"])?;
    }
    Ok(text)
}

fn field<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or("?")
}

/// Rows are servers, columns loads; in each cell the figures and their ratios.
fn table(text: &mut String, title: &str, step: &Value, figures: &[&str]) -> Result<(), Error> {
    let Some(rows) = step.as_object().filter(|rows| !rows.is_empty()) else { return Ok(()) };
    let mut loads: Vec<&String> =
        rows.values().filter_map(Value::as_object).flat_map(|r| r.keys()).collect();
    loads.sort();
    loads.dedup();
    writeln!(text, "**{title}**\n\n| server | {} |", join(loads.iter().map(|l| l.to_string())))?;
    writeln!(text, "|---|{}", "---|".repeat(loads.len()))?;
    for (name, row) in rows {
        let cell = |load: &&String| -> String {
            let figures = figures.iter().filter_map(|figure| {
                let value = row[load.as_str()][*figure].as_f64()?;
                let ratio = row[load.as_str()][format!("{figure}_ratio")].as_f64();
                Some(
                    ratio.map_or(format!("{value:.2}"), |ratio| format!("{value:.2} ({ratio:.2})")),
                )
            });
            figures.collect::<Vec<_>>().join(", ")
        };
        writeln!(text, "| {name} | {} |", join(loads.iter().map(cell)))?;
    }
    writeln!(text)
}

/// Rows are servers, columns what was measured of each.
fn plain(text: &mut String, title: &str, step: &Value) -> Result<(), Error> {
    let rows = step.as_object().into_iter().flatten().filter(|(_, row)| row.is_object());
    let rows: Vec<(&String, &Value)> = rows.collect();
    let Some(columns) = rows.first().and_then(|(_, row)| row.as_object()) else { return Ok(()) };
    let columns: Vec<&String> = columns.keys().collect();
    writeln!(text, "**{title}**\n\n| server | {} |", join(columns.iter().map(|c| c.to_string())))?;
    writeln!(text, "|---|{}", "---|".repeat(columns.len()))?;
    for (name, row) in rows {
        let cell = |column: &&String| {
            row[column.as_str()].as_f64().map_or("–".into(), |v| format!("{v:.2}"))
        };
        writeln!(text, "| {name} | {} |", join(columns.iter().map(cell)))?;
    }
    writeln!(text)
}

fn join(cells: impl Iterator<Item = String>) -> String {
    cells.collect::<Vec<_>>().join(" | ")
}

const WIDTH: f64 = 720.0;
const BAR: f64 = 16.0;
const LEFT: f64 = 150.0;
const COLOURS: [&str; 5] = ["#3b6ea5", "#d98a2b", "#5a9e6f", "#a65e8c", "#777777"];

/// CPU per answer at saturation of one set, as bars.
pub fn plot(set: &str, saturation: &Value) -> Result<String, Error> {
    let mut bars: Vec<(String, &str, f64)> = Vec::new();
    let mut loads: Vec<&String> = Vec::new();
    for (name, row) in saturation.as_object().into_iter().flatten() {
        for (load, cell) in row.as_object().into_iter().flatten() {
            if let Some(us) = cell["us"].as_f64() {
                bars.push((name.clone(), load, us));
                loads.push(load);
            }
        }
    }
    loads.sort();
    loads.dedup();
    bars.sort_by(|a, b| (a.1, a.2).partial_cmp(&(b.1, b.2)).unwrap_or(std::cmp::Ordering::Equal));
    let most = bars.iter().map(|bar| bar.2).fold(0.1, f64::max);
    let height = 60.0 + (bars.len() + loads.len()) as f64 * (BAR + 4.0);
    let mut svg = String::new();
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"white\"/>\n\
         <text x=\"10\" y=\"22\" font-size=\"15\">CPU per answer at saturation, µs: {set}</text>"
    )?;
    let (mut y, mut last) = (38.0, "");
    for (name, load, us) in &bars {
        if *load != last {
            y += BAR;
            writeln!(svg, "<text x=\"10\" y=\"{y}\" font-weight=\"bold\">{load}</text>")?;
            (last, y) = (load, y + 6.0);
        }
        let colour = COLOURS[loads.iter().position(|l| l == load).unwrap_or(0) % COLOURS.len()];
        let colour = if name.starts_with("echo") { "#bbbbbb" } else { colour };
        let long = us / most * (WIDTH - LEFT - 60.0);
        let (end, base) = (LEFT + long + 5.0, y + 12.0);
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{base}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{LEFT}\" y=\"{y}\" width=\"{long:.1}\" height=\"{BAR}\" fill=\"{colour}\"/>\n\
             <text x=\"{end:.1}\" y=\"{base}\">{us:.2}</text>",
            LEFT - 6.0
        )?;
        y += BAR + 4.0;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}
