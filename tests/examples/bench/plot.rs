//! Draws a curve as SVG, both axes logarithmic.

use std::path::Path;

use anyhow::{Context, Result, anyhow};
use plotters::prelude::*;

use super::curves::Curve;

const SIZE: (u32, u32) = (720, 420);
const COLORS: [RGBColor; 3] = [
    RGBColor(70, 110, 180),
    RGBColor(200, 90, 40),
    RGBColor(60, 140, 90),
];

/// Writes the plot into the directory.
pub(super) fn write(curve: &Curve, directory: &Path) -> Result<()> {
    let path = directory.join(format!("{}.svg", curve.file));
    draw(curve, &path)
        .map_err(|error| anyhow!("{error}"))
        .with_context(|| format!("can't draw {}", path.display()))
}

type Fault = Box<dyn std::error::Error>;

fn draw(curve: &Curve, path: &Path) -> Result<(), Fault> {
    let area = SVGBackend::new(path, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let points = || {
        curve
            .lines
            .iter()
            .flat_map(|line| line.points.iter().copied())
    };
    let mut chart = ChartBuilder::on(&area)
        .caption(curve.title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(70)
        .build_cartesian_2d(
            range(points().map(|(x, _)| x)).log_scale(),
            range(points().map(|(_, y)| y)).log_scale(),
        )?;
    chart
        .configure_mesh()
        .x_desc(curve.x)
        .y_desc(curve.y)
        .draw()?;
    for (line, color) in curve.lines.iter().zip(COLORS) {
        let style = color.stroke_width(2);
        chart
            .draw_series(LineSeries::new(line.points.iter().copied(), style))?
            .label(line.side.as_str())
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style));
        let marks = line
            .points
            .iter()
            .map(|at| Circle::new(*at, 3, color.filled()));
        chart.draw_series(marks)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

/// From somewhat below the least to somewhat above the most.
fn range(numbers: impl Iterator<Item = f64> + Clone) -> std::ops::Range<f64> {
    let least = numbers.clone().fold(f64::INFINITY, f64::min);
    let most = numbers.fold(f64::MIN_POSITIVE, f64::max);
    least * 0.8..most * 1.25
}
