//! W30: bundle adjustment. 31,843 observations of 7,776 points by 49 cameras: rows of the tables
//! [49, 11] and [7776, 3] by `index_select`, some sixty elementwise operations on their columns, and
//! the residuals [n, 2]; or besides the gradient of both residuals by each row that was taken, which
//! is what a sparse Jacobian is made of.

use std::hint::black_box;

use bumpgrad::Var;

use super::data::{labels, wide_numbers};
use super::{Outcome, Pass, Row, Serve, anew, graph, ok};

const CAMERAS: usize = 49;
const POINTS: usize = 7_776;
const SIGHTS: usize = 31_843;
/// Rotation, place, focus, centre of the picture, distortion.
const CAMERA: usize = 11;
/// Of one coordinate: by its camera and its point.
const SLOPES: usize = CAMERA + 3;

pub(super) fn rows() -> Vec<Row> {
    let row = |gradient: bool| {
        let name = if gradient { "value+gradients" } else { "value" };
        Row::new(
            format!("W30/{name}/{SIGHTS}"),
            (SIGHTS, "observation"),
            move |serve| adjust(serve, gradient),
            move || plain_adjust(gradient),
        )
    };
    vec![row(false), row(true)]
}

struct Data {
    cameras: Vec<f64>,
    points: Vec<f64>,
    weights: Vec<f64>,
    seen: Vec<f64>,
    by: Vec<i64>,
    of: Vec<i64>,
}

fn data() -> Data {
    let low = [-0.5, -0.5, -0.5, -1.0, -1.0, -8.0, 1.0, -0.1, -0.1, -0.1, -0.01];
    let high = [0.5, 0.5, 0.5, 1.0, 1.0, -5.0, 2.0, 0.1, 0.1, 0.1, 0.01];
    let unit = wide_numbers(82, CAMERAS * CAMERA, 0.0, 1.0).into_iter().enumerate();
    Data {
        cameras: unit
            .map(|(i, x)| low[i % CAMERA] + (high[i % CAMERA] - low[i % CAMERA]) * x)
            .collect(),
        points: wide_numbers(83, POINTS * 3, -1.0, 1.0),
        weights: wide_numbers(84, SIGHTS, 0.5, 1.0),
        seen: wide_numbers(85, SIGHTS * 2, -1.0, 1.0),
        by: labels(86, SIGHTS, CAMERAS),
        of: labels(87, SIGHTS, POINTS),
    }
}

/// The columns of [n, k], each [n].
fn columns<const K: usize>(x: Var<'_>) -> [Var<'_>; K] {
    std::array::from_fn(|k| x.slice(1, k as isize, k as isize + 1, 1).squeeze(Some(1)))
}

fn cross<'g>(a: [Var<'g>; 3], b: [Var<'g>; 3]) -> [Var<'g>; 3] {
    let part = |i: usize, k: usize| a[i] * b[k] - a[k] * b[i];
    [part(1, 2), part(2, 0), part(0, 1)]
}

fn dot<'g>(a: [Var<'g>; 3], b: [Var<'g>; 3]) -> Var<'g> {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Both coordinates of where a camera sees a point.
fn project<'g>(camera: Var<'g>, point: Var<'g>) -> [Var<'g>; 2] {
    let [r0, r1, r2, c0, c1, c2, focus, u, v, k1, k2] = columns::<CAMERA>(camera);
    let [p0, p1, p2] = columns::<3>(point);
    let (turn, from) = ([r0, r1, r2], [p0 - c0, p1 - c1, p2 - c2]);
    let angle = dot(turn, turn).sqrt();
    let axis = turn.map(|x| x / angle);
    let (sin, cos) = (angle.sin(), angle.cos());
    let lever = cross(axis, from);
    let along = dot(axis, from) * (1.0 - cos);
    let [x, y, z] = std::array::from_fn(|i| from[i] * cos + lever[i] * sin + axis[i] * along);
    let (x, y) = (x / z, y / z);
    let square = x.square() + y.square();
    let bend = (1.0 + k1 * square + k2 * square.square()) * focus;
    [x * bend + u, y * bend + v]
}

fn adjust(serve: &mut Serve<'_>, gradient: bool) {
    let graph = graph();
    let Data { cameras, points, weights, seen, by, of } = data();
    let cameras = graph.param(&cameras, &[CAMERAS, CAMERA]);
    let points = graph.param(&points, &[POINTS, 3]);
    let weights = graph.param(&weights, &[SIGHTS]);
    let seen = graph.tensor(&seen, &[SIGHTS, 2]);
    let by = graph.tensor(&by, &[SIGHTS]);
    let of = graph.tensor(&of, &[SIGHTS]);
    anew(&graph, serve, |outcome| {
        let camera = cameras.index_select(0, by);
        let point = points.index_select(0, of);
        let at = project(camera, point);
        let seen = columns::<2>(seen);
        let rest = [0, 1].map(|i| (at[i] - seen[i]) * weights);
        let mut slopes = vec![];
        if gradient {
            // Rows do not depend on each other, so that the sum's gradient has that of each row.
            for rest in rest {
                let roots = [(rest.sum(), None)];
                slopes.extend(ok(graph.grad(&roots, &[camera, point, weights])));
            }
            slopes.iter().for_each(|x| ok(x.eval()));
        }
        rest.iter().for_each(|x| ok(x.eval()));
        if let Some(outcome) = outcome {
            rest.iter().for_each(|&x| outcome.put_value("residual", x));
            slopes.iter().for_each(|&x| outcome.put_value("slope", x));
        }
    });
}

/// Where a camera sees a point, and what the derivatives need of the way there.
struct Sight {
    at: [f64; 2],
    from: [f64; 3],
    angle: f64,
    axis: [f64; 3],
    lever: [f64; 3],
    dot: f64,
    moved: [f64; 3],
    flat: [f64; 2],
    square: f64,
}

fn plain_cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    let part = |i: usize, k: usize| a[i] * b[k] - a[k] * b[i];
    [part(1, 2), part(2, 0), part(0, 1)]
}

fn plain_dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn plain_project(camera: &[f64; CAMERA], point: &[f64; 3]) -> Sight {
    let turn = [camera[0], camera[1], camera[2]];
    let from = std::array::from_fn(|i| point[i] - camera[3 + i]);
    let angle = plain_dot(turn, turn).sqrt();
    let axis = turn.map(|x| x / angle);
    let (sin, cos) = angle.sin_cos();
    let lever = plain_cross(axis, from);
    let dot = plain_dot(axis, from);
    let moved: [f64; 3] =
        std::array::from_fn(|i| from[i] * cos + lever[i] * sin + axis[i] * (dot * (1.0 - cos)));
    let flat = [moved[0] / moved[2], moved[1] / moved[2]];
    let square = flat[0] * flat[0] + flat[1] * flat[1];
    let bend = (1.0 + camera[9] * square + camera[10] * square * square) * camera[6];
    let at = [flat[0] * bend + camera[7], flat[1] * bend + camera[8]];
    Sight { at, from, angle, axis, lever, dot, moved, flat, square }
}

/// The gradient of one coordinate, by camera and point.
fn plain_pull(camera: &[f64; CAMERA], sight: &Sight, which: usize) -> [f64; SLOPES] {
    let Sight { from, angle, axis, lever, dot, moved, flat, square, .. } = *sight;
    let (sin, cos) = angle.sin_cos();
    let [focus, k1, k2] = [camera[6], camera[9], camera[10]];
    let mut by = [0.0; SLOPES];
    let bend = 1.0 + k1 * square + k2 * square * square;
    by[6] = flat[which] * bend;
    by[7 + which] = 1.0;
    by[9] = flat[which] * focus * square;
    by[10] = flat[which] * focus * square * square;
    let by_square = flat[which] * focus * (k1 + 2.0 * k2 * square);
    let mut by_flat = [2.0 * flat[0] * by_square, 2.0 * flat[1] * by_square];
    by_flat[which] += bend * focus;
    let z = moved[2];
    let by_moved =
        [by_flat[0] / z, by_flat[1] / z, -(by_flat[0] * flat[0] + by_flat[1] * flat[1]) / z];
    let by_lever = by_moved.map(|x| x * sin);
    let along = plain_dot(by_moved, axis);
    let by_dot = along * (1.0 - cos);
    // a x b with a cotangent c gives b x c to a and c x a to b.
    let (to_axis, to_from) = (plain_cross(from, by_lever), plain_cross(by_lever, axis));
    let by_axis: [f64; 3] =
        std::array::from_fn(|i| by_moved[i] * dot * (1.0 - cos) + to_axis[i] + by_dot * from[i]);
    let by_angle =
        plain_dot(by_moved, lever) * cos - plain_dot(by_moved, from) * sin + along * dot * sin;
    let radial = by_angle - plain_dot(by_axis, axis) / angle;
    for i in 0..3 {
        let by_from = by_moved[i] * cos + to_from[i] + by_dot * axis[i];
        by[i] = by_axis[i] / angle + axis[i] * radial;
        by[3 + i] = -by_from;
        by[CAMERA + i] = by_from;
    }
    by
}

fn plain_adjust(gradient: bool) -> Box<Pass<'static>> {
    let Data { cameras, points, weights, seen, by, of } = data();
    let (cameras, points) = (rows_of::<CAMERA>(cameras), rows_of::<3>(points));
    let mut rest = vec![0.0; 2 * SIGHTS];
    // For each residual: by the cameras' rows, the points' rows, and the weights.
    let mut slopes: [[Vec<f64>; 3]; 2] = std::array::from_fn(|_| {
        [CAMERA, 3, 1].map(|width| vec![0.0; if gradient { SIGHTS * width } else { 0 }])
    });
    Box::new(move |outcome: Option<&mut Outcome>| {
        for i in 0..SIGHTS {
            let (camera, point) = (&cameras[by[i] as usize], &points[of[i] as usize]);
            let sight = plain_project(camera, point);
            for which in 0..2 {
                let apart = sight.at[which] - seen[2 * i + which];
                rest[which * SIGHTS + i] = apart * weights[i];
                if gradient {
                    let slope = plain_pull(camera, &sight, which);
                    let [by_camera, by_point, by_weight] = &mut slopes[which];
                    for k in 0..CAMERA {
                        by_camera[i * CAMERA + k] = slope[k] * weights[i];
                    }
                    for k in 0..3 {
                        by_point[i * 3 + k] = slope[CAMERA + k] * weights[i];
                    }
                    by_weight[i] = apart;
                }
            }
        }
        black_box((&rest, &slopes));
        if let Some(outcome) = outcome {
            rest.chunks(SIGHTS).for_each(|rest| outcome.put("residual", rest));
            if gradient {
                slopes.iter().flatten().for_each(|slope| outcome.put("slope", slope));
            }
        }
    })
}

fn rows_of<const K: usize>(x: Vec<f64>) -> Vec<[f64; K]> {
    x.chunks_exact(K).map(|row| row.try_into().expect("chunks have this length")).collect()
}
