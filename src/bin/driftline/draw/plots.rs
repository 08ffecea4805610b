//! The plots of a report, as SVG. A colour stands for a role; the page gives each role its colour, in light and in dark.

use driftline::{Error, ErrorKind, Result};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::prelude::{
    ChartBuilder, Circle, Color, DrawingArea, IntoDrawingArea, IntoFont, LineSeries, RGBColor, Rectangle, SVGBackend,
    Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};

const WIDTH: u32 = 620;
const HEIGHT: u32 = 360;
/// Roles. The page's style sheet knows these, too.
const INK: RGBColor = RGBColor(1, 1, 1);
const AXIS: RGBColor = RGBColor(2, 2, 2);
const GRID: RGBColor = RGBColor(3, 3, 3);
/// Colours that series have, before they are used again.
pub(crate) const SERIES: usize = 8;
/// A plot of bars has room for so many.
const LEAST_ROOM: usize = 5;
const FONT: &str = "sans-serif";

/// An axis: what it shows, from where to where, and the places that are written out.
#[derive(Debug, Clone)]
pub(crate) struct Axis {
    pub(crate) title: &'static str,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) ticks: Vec<(f64, String)>,
}

/// Points that belong together; `colour` counts.
#[derive(Debug, Clone)]
pub(crate) struct Series {
    pub(crate) colour: usize,
    /// Joined by a line.
    pub(crate) line: Vec<(f64, f64)>,
    /// Drawn as dots.
    pub(crate) dots: Vec<(f64, f64)>,
}

/// A bar with its name below it and its value above it.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) colour: usize,
    pub(crate) name: String,
    pub(crate) value: f64,
    pub(crate) label: String,
}

impl Axis {
    fn label(&self, place: f64) -> String {
        let tick = self.ticks.iter().find(|tick| (tick.0 - place).abs() < 1e-9);
        tick.map_or(String::new(), |tick| tick.1.clone())
    }
}

/// Straight from `from` to `to`, with lines at the ticks.
impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, (begin, end): (i32, i32)) -> i32 {
        let share = (value - self.from) / (self.to - self.from);
        begin + (f64::from(end - begin) * share).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        self.ticks.iter().map(|tick| tick.0).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.from..self.to
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, place: &f64) -> String {
        self.label(*place)
    }
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Lines and dots over two axes.
pub(crate) fn lines(x: &Axis, y: &Axis, series: &[Series]) -> Result<String> {
    over_axes(x, y, series, (3.5, 1.0))
}

/// Many small dots over two axes.
pub(crate) fn scatter(x: &Axis, y: &Axis, series: &[Series]) -> Result<String> {
    over_axes(x, y, series, (2.2, 0.55))
}

fn over_axes(x: &Axis, y: &Axis, series: &[Series], (radius, opacity): (f64, f64)) -> Result<String> {
    draw(|area| {
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .margin_right(20)
            .x_label_area_size(44)
            .y_label_area_size(62)
            .build_cartesian_2d(x.clone(), y.clone())
            .map_err(failed)?;
        chart
            .configure_mesh()
            .light_line_style(GRID.mix(0.0))
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .label_style((FONT, 14).into_font().color(&INK))
            .axis_desc_style((FONT, 14).into_font().color(&INK))
            .x_labels(x.ticks.len())
            .y_labels(y.ticks.len())
            .x_label_formatter(&|place| x.label(*place))
            .y_label_formatter(&|place| y.label(*place))
            .x_desc(x.title)
            .y_desc(y.title)
            .draw()
            .map_err(failed)?;
        for one in series {
            let colour = colour(one.colour);
            chart.draw_series(LineSeries::new(one.line.iter().copied(), colour.stroke_width(2))).map_err(failed)?;
            let dots = one.dots.iter().map(|dot| Circle::new(*dot, radius, colour.mix(opacity).filled()));
            chart.draw_series(dots).map_err(failed)?;
        }
        Ok(())
    })
}

/// Bars side by side, from 0.
pub(crate) fn bars(bars: &[Bar]) -> Result<String> {
    draw(|area| {
        let most = bars.iter().map(|bar| bar.value).fold(0.0, f64::max);
        let most = if most > 0.0 { most * 1.15 } else { 1.0 };
        // Few bars stand in the middle, no wider than many.
        let room = (bars.len().max(LEAST_ROOM) - bars.len()) as f64 / 2.0;
        let (from, to) = (-room, bars.len() as f64 + room);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(8)
            .y_label_area_size(8)
            .build_cartesian_2d(from..to, -most * 0.12..most)
            .map_err(failed)?;
        let centred = (FONT, 14).into_font().color(&INK).pos(Pos::new(HPos::Center, VPos::Bottom));
        for (number, bar) in bars.iter().enumerate() {
            let middle = number as f64 + 0.5;
            let body = Rectangle::new([(middle - 0.28, 0.0), (middle + 0.28, bar.value)], colour(bar.colour).filled());
            chart.draw_series([body]).map_err(failed)?;
            let texts = [(bar.label.clone(), bar.value + most * 0.02), (bar.name.clone(), -most * 0.1)];
            let texts = texts.map(|(text, height)| Text::new(text, (middle, height), centred.clone()));
            chart.draw_series(texts).map_err(failed)?;
        }
        let floor = [(from, 0.0), (to, 0.0)];
        chart.draw_series(LineSeries::new(floor, AXIS.stroke_width(1))).map_err(failed)?;
        Ok(())
    })
}

fn draw(content: impl FnOnce(&Area<'_>) -> Result<()>) -> Result<String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
    content(&area)?;
    area.present().map_err(failed)?;
    drop(area);
    // Inside a page the name of the language is not needed, and the page shall name no other place.
    Ok(svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", ""))
}

/// The role of a series.
fn colour(number: usize) -> RGBColor {
    RGBColor(16, 16, (number % SERIES) as u8)
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("a plot could not be drawn: {error}"))
}

/// The style sheet's share: what colour each role has, by the names of the page's variables.
pub(crate) fn roles() -> String {
    let named = |colour: RGBColor, name: &str| {
        let hex = format!("#{:02X}{:02X}{:02X}", colour.0, colour.1, colour.2);
        format!("svg [fill=\"{hex}\"]{{fill:var(--{name})}}svg [stroke=\"{hex}\"]{{stroke:var(--{name})}}\n")
    };
    let fixed = [(INK, "ink"), (AXIS, "axis"), (GRID, "grid")].map(|(colour, name)| named(colour, name)).concat();
    fixed + &(0..SERIES).map(|number| named(colour(number), &format!("s{number}"))).collect::<String>()
}
