//! Plots values over time as an SVG of stacked panels. The colours have medium brightness, so that the plot is
//! readable on light and on dark pages.

pub struct Panel {
    /// The plotted quantity, with its unit.
    pub title: &'static str,
    /// The label of each line, and its values at equal intervals.
    pub lines: Vec<(&'static str, Vec<f64>)>,
}

const WIDTH: f64 = 760.;
/// Height of one panel, with its title and the time axis.
const HEIGHT: f64 = 180.;
const LEFT: f64 = 50.;
const RIGHT: f64 = WIDTH - 20.;
const TOP: f64 = 30.;
const BOTTOM: f64 = HEIGHT - 30.;
const GREY: &str = "#7d828a";
const COLOURS: [&str; 2] = ["#2f81f7", "#d9730d"];

/// Returns the SVG of `panels`, whose time axis is `seconds` long.
pub fn svg(seconds: f64, panels: &[Panel]) -> String {
    let height = HEIGHT * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{GREY}\">\n"
    );
    for (nth, panel) in panels.iter().enumerate() {
        let (top, drawn) = (HEIGHT * nth as f64, panel.draw(seconds));
        svg += &format!("<g transform=\"translate(0 {top})\">\n{drawn}</g>\n");
    }
    svg + "</svg>\n"
}

impl Panel {
    fn draw(&self, seconds: f64) -> String {
        let mut svg = format!("<text x=\"{LEFT}\" y=\"18\">{}</text>\n", self.title);
        let values = self.lines.iter().flat_map(|(_, values)| values);
        let ups = ticks(values.fold(0., |most: f64, value| most.max(*value)), 3.);
        let most = ups[ups.len() - 1];
        let x = |share: f64| LEFT + (RIGHT - LEFT) * share;
        let y = |value: f64| BOTTOM - (BOTTOM - TOP) * value / most;
        for up in &ups {
            let (y, label) = (y(*up), y(*up) + 4.);
            svg += &format!(
                "<path d=\"M{LEFT} {y:.1}H{RIGHT}\" stroke=\"{GREY}\" stroke-opacity=\".35\"/>\
                 <text x=\"44\" y=\"{label:.1}\" text-anchor=\"end\">{up}</text>\n"
            );
        }
        let (unit, length) = match seconds {
            ..=120. => ("s", seconds),
            _ => ("min", seconds / 60.),
        };
        for time in ticks(length, 8.).iter().filter(|time| **time <= length) {
            let (x, y) = (x(time / length), BOTTOM + 18.);
            svg += &format!(
                "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{time} {unit}</text>\n"
            );
        }
        for (nth, (name, values)) in self.lines.iter().enumerate() {
            let (colour, right) = (COLOURS[nth], RIGHT - 110. * nth as f64);
            // Each value is plotted at the end of its interval.
            let share = |nth: usize| (nth + 1) as f64 / values.len() as f64;
            let point =
                |(nth, value): (usize, &f64)| format!("{:.1},{:.1} ", x(share(nth)), y(*value));
            let points: String = values.iter().enumerate().map(point).collect();
            svg += &format!(
                "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>\
                 <text x=\"{right}\" y=\"18\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>\n"
            );
        }
        svg
    }
}

/// Returns about `count` round numbers from 0 to `most` or a little more.
fn ticks(most: f64, count: f64) -> Vec<f64> {
    let least = (most / count).max(1e-3);
    let power = 10_f64.powf(least.log10().floor());
    let steps = [1., 2., 5., 10.].map(|step| step * power);
    let step = steps
        .into_iter()
        .find(|step| *step >= least * 0.999)
        .unwrap();
    let rounded = |nth: u32| (f64::from(nth) * step * 1e3).round() / 1e3;
    let mut ticks = vec![0.];
    while ticks[ticks.len() - 1] < most {
        ticks.push(rounded(u32::try_from(ticks.len()).unwrap()));
    }
    ticks
}
