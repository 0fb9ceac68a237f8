//! Curves and points as SVG, for the pictures of the examples.

#![allow(dead_code, reason = "no example draws in every style")]

use std::error::Error;
use std::ops::Range;
use std::path::{Path, PathBuf};

pub(crate) use plotters::chart::SeriesLabelPosition as Legend;
use plotters::prelude::*;

/// How a series is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Line,
    /// For what lies on another curve.
    Dashes,
    Points,
    /// The area that the points go round.
    Area,
}

/// What is drawn in one style and colour. A line ends at a point that is not finite or outside of its
/// panel, and begins anew behind it.
pub(crate) struct Series {
    pub(crate) name: &'static str,
    pub(crate) style: Style,
    pub(crate) points: Vec<(f64, f64)>,
}

impl Series {
    pub(crate) fn new(name: &'static str, style: Style, xs: &[f64], ys: &[f64]) -> Self {
        assert_eq!(xs.len(), ys.len(), "{name}");
        Self { name, style, points: xs.iter().copied().zip(ys.iter().copied()).collect() }
    }
}

/// One pair of axes.
pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) x_name: &'static str,
    pub(crate) x: Range<f64>,
    pub(crate) y: Range<f64>,
    /// Where names of series have room.
    pub(crate) legend: Legend,
    pub(crate) series: Vec<Series>,
}

/// Colours that are told apart by people who see fewer, too (M. Okabe, K. Ito, 2008).
const COLOURS: [RGBColor; 4] =
    [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115), RGBColor(204, 121, 167)];

const WIDTH: u32 = 460;
const HEIGHT: u32 = 340;

/// Draws the panels, two in a row, into a file of this name in a folder, which is made if need be.
pub(crate) fn draw(folder: &Path, name: &str, panels: &[Panel]) -> Result<PathBuf, Box<dyn Error>> {
    std::fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join(name);
    let columns = panels.len().min(2);
    let rows = panels.len().div_ceil(columns);
    {
        let size = (WIDTH * columns as u32, HEIGHT * rows as u32);
        let root = SVGBackend::new(&path, size).into_drawing_area();
        root.fill(&WHITE)?;
        for (area, panel) in root.split_evenly((rows, columns)).iter().zip(panels) {
            draw_panel(area, panel).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        root.present()?;
    }
    Ok(path)
}

fn draw_panel(
    area: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>,
    panel: &Panel,
) -> Result<(), Box<dyn Error>> {
    let mut chart = ChartBuilder::on(area)
        .caption(panel.title, ("sans-serif", 16))
        .margin(10)
        .margin_right(20)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(panel.x.clone(), panel.y.clone())?;
    chart.configure_mesh().light_line_style(TRANSPARENT).x_desc(panel.x_name).draw()?;
    for (series, colour) in panel.series.iter().zip(COLOURS.iter().cycle()) {
        let inside = |&&(x, y): &&(f64, f64)| panel.x.contains(&x) && panel.y.contains(&y);
        let pieces = series.points.split(|point| !inside(&point)).map(<[_]>::to_vec);
        let stroke = colour.stroke_width(2);
        match series.style {
            Style::Line => {
                for piece in pieces {
                    chart.draw_series(LineSeries::new(piece, stroke))?;
                }
            }
            Style::Dashes => {
                for piece in pieces {
                    chart.draw_series(DashedLineSeries::new(piece, 5, 5, stroke))?;
                }
            }
            Style::Points => {
                let points = series.points.iter().filter(inside);
                chart.draw_series(points.map(|&at| Circle::new(at, 2, colour.filled())))?;
            }
            Style::Area => {
                let area = Polygon::new(series.points.clone(), colour.mix(0.25).filled());
                chart.draw_series([area])?;
            }
        }
        // The legend: a line of each series' colour, from an element that is not seen.
        if !series.name.is_empty() {
            chart
                .draw_series(std::iter::empty::<Circle<(f64, f64), i32>>())?
                .label(series.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], stroke));
        }
    }
    if panel.series.iter().any(|series| !series.name.is_empty()) {
        chart
            .configure_series_labels()
            .position(panel.legend.clone())
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
    }
    Ok(())
}
