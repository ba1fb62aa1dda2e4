//! The dashboard as Grafana's JSON: the classic form, which releases 9 to 13 read from a provisioned file.

use super::{Dashboard, Kind, Level, Panel, Unit};
use serde_json::{Value, json};

/// The dashboard's fixed identity.
pub const UID: &str = "report-stack";
/// The fixed identity of the data source that its panels ask.
pub const PROMETHEUS_UID: &str = "prom";

/// The dashboard as a provisioned file.
pub fn grafana(dashboard: &Dashboard) -> Value {
    let mut panels = Vec::new();
    let mut place = Place { id: 0, x: 0, y: 0, line: 0 };
    for row in &dashboard.rows {
        panels.push(row_panel(row.title, &mut place));
        panels.extend(row.panels.iter().map(|panel| panel_json(panel, &mut place)));
        place.new_line();
    }
    json!({
        "uid": UID,
        "title": format!("Report stack ({})", dashboard.env),
        "description": "Made by reportctl from the same list of panels as Prometheus's own page.",
        "tags": ["reportctl"],
        "schemaVersion": 42,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "timezone": "browser",
        "refresh": "10s",
        "time": { "from": "now-1h", "to": "now" },
        "templating": { "list": [] },
        "annotations": { "list": [] },
        "links": [],
        "panels": panels,
    })
}

/// Where the next panel goes: Grafana's grid is 24 wide.
struct Place {
    id: u32,
    x: u32,
    y: u32,
    line: u32,
}

impl Place {
    fn next(&mut self, width: u32, height: u32) -> Value {
        if self.x + width > 24 {
            self.new_line();
        }
        let position = json!({ "x": self.x, "y": self.y, "w": width, "h": height });
        self.x += width;
        self.line = self.line.max(height);
        self.id += 1;
        position
    }

    fn new_line(&mut self) {
        self.x = 0;
        self.y += self.line;
        self.line = 0;
    }
}

fn row_panel(title: &str, place: &mut Place) -> Value {
    let position = place.next(24, 1);
    json!({ "id": place.id, "type": "row", "title": title, "collapsed": false, "gridPos": position, "panels": [] })
}

fn panel_json(panel: &Panel, place: &mut Place) -> Value {
    let height = if matches!(panel.kind, Kind::Number | Kind::State) { 4 } else { 8 };
    let position = place.next(panel.width, height);
    let source = json!({ "type": "prometheus", "uid": PROMETHEUS_UID });
    let instant = matches!(panel.kind, Kind::State);
    let targets: Vec<Value> = panel
        .queries
        .iter()
        .enumerate()
        .map(|(number, query)| {
            json!({
                "refId": char::from(b'A' + u8::try_from(number).unwrap_or(25)).to_string(),
                "datasource": source,
                "expr": query.expr.replace("$window", "$__rate_interval"),
                "legendFormat": query.legend,
                "instant": instant,
                "range": !instant,
            })
        })
        .collect();
    json!({
        "id": place.id,
        "type": match panel.kind { Kind::Number | Kind::State => "stat", Kind::Graph | Kind::Stack => "timeseries" },
        "title": panel.title,
        "description": panel.about,
        "gridPos": position,
        "datasource": source,
        "targets": targets,
        "fieldConfig": { "defaults": defaults(panel), "overrides": [] },
        "options": options(panel),
    })
}

fn defaults(panel: &Panel) -> Value {
    let mut steps = vec![json!({ "color": color(panel.scale.base), "value": null })];
    steps.extend(panel.scale.steps.iter().map(|(from, level)| json!({ "color": color(*level), "value": from })));
    let mut defaults = json!({
        "unit": match panel.unit {
            Unit::Count => "short",
            Unit::PerSecond => "ops",
            Unit::Bytes => "bytes",
            Unit::BytesPerSecond => "binBps",
            Unit::Seconds => "s",
            Unit::Ratio => "percentunit",
        },
        "min": 0,
        "noValue": panel.empty,
        "color": { "mode": if panel.scale.steps.is_empty() { "palette-classic" } else { "thresholds" } },
        "thresholds": { "mode": "absolute", "steps": steps },
        "mappings": [],
    });
    match panel.kind {
        Kind::State => {
            defaults["mappings"] = json!([{ "type": "value", "options": {
                "0": { "text": "down", "color": color(Level::Bad), "index": 0 },
                "1": { "text": "up", "color": color(Level::Good), "index": 1 },
            } }]);
        }
        Kind::Graph | Kind::Stack => {
            let stacked = panel.kind == Kind::Stack;
            defaults["custom"] = json!({
                "drawStyle": "line",
                "lineWidth": 1,
                "fillOpacity": if stacked { 40 } else { 10 },
                "showPoints": "never",
                "spanNulls": false,
                "stacking": { "mode": if stacked { "normal" } else { "none" }, "group": "A" },
            });
        }
        Kind::Number => {}
    }
    defaults
}

fn options(panel: &Panel) -> Value {
    match panel.kind {
        Kind::Number | Kind::State => json!({
            "colorMode": "background",
            "graphMode": if panel.kind == Kind::Number { "area" } else { "none" },
            "textMode": if panel.kind == Kind::Number { "value" } else { "value_and_name" },
            "justifyMode": "center",
            "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
        }),
        Kind::Graph | Kind::Stack => json!({
            "legend": { "displayMode": "list", "placement": "bottom", "calcs": ["lastNotNull"], "showLegend": true },
            "tooltip": { "mode": "multi", "sort": "desc" },
        }),
    }
}

const fn color(level: Level) -> &'static str {
    match level {
        Level::Plain => "blue",
        Level::Good => "green",
        Level::Warn => "orange",
        Level::Bad => "red",
    }
}
