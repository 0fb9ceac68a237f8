//! Operations by name. Written by `make interface` from what `src/op/` declares.
#![allow(dead_code, reason = "each test has its own parameters")]

use bumpgrad::{DType, Graph, Reduce, Var};

/// The parameters of a call.
pub trait Params {
    fn int(&self, name: &str) -> isize;
    fn maybe_int(&self, name: &str) -> Option<isize>;
    fn ints(&self, name: &str) -> Vec<isize>;
    fn number(&self, name: &str) -> f64;
    fn maybe_number(&self, name: &str) -> Option<f64>;
    fn flag(&self, name: &str) -> bool;
    fn dtype(&self, name: &str) -> DType;
    fn reduce(&self, name: &str) -> Reduce;
    fn text(&self, name: &str) -> String;
    fn lens(&self, name: &str) -> Vec<usize> {
        self.ints(name).into_iter().map(|len| len as usize).collect()
    }
}

/// The results of an operation; none if there is no operation of this name.
pub fn call<'g>(
    graph: &'g Graph,
    name: &str,
    x: &[Var<'g>],
    p: &impl Params,
) -> Option<Vec<Var<'g>>> {
    let _ = graph;
    Some(match name {
        "neg" => vec![x[0].neg()],
        "abs" => vec![x[0].abs()],
        "sign" => vec![x[0].sign()],
        "exp" => vec![x[0].exp()],
        "expm1" => vec![x[0].expm1()],
        "log" => vec![x[0].log()],
        "log1p" => vec![x[0].log1p()],
        "sqrt" => vec![x[0].sqrt()],
        "rsqrt" => vec![x[0].rsqrt()],
        "square" => vec![x[0].square()],
        "reciprocal" => vec![x[0].reciprocal()],
        "sin" => vec![x[0].sin()],
        "cos" => vec![x[0].cos()],
        "tan" => vec![x[0].tan()],
        "tanh" => vec![x[0].tanh()],
        "sigmoid" => vec![x[0].sigmoid()],
        "erf" => vec![x[0].erf()],
        "relu" => vec![x[0].relu()],
        "softplus" => vec![x[0].softplus()],
        "gelu" => vec![x[0].gelu()],
        "gelu_tanh" => vec![x[0].gelu_tanh()],
        "silu" => vec![x[0].silu()],
        "floor" => vec![x[0].floor()],
        "ceil" => vec![x[0].ceil()],
        "round" => vec![x[0].round()],
        "add" => vec![x[0].add(x[1])],
        "sub" => vec![x[0].sub(x[1])],
        "mul" => vec![x[0].mul(x[1])],
        "div" => vec![x[0].div(x[1])],
        "pow" => vec![x[0].pow(x[1])],
        "maximum" => vec![x[0].maximum(x[1])],
        "minimum" => vec![x[0].minimum(x[1])],
        "atan2" => vec![x[0].atan2(x[1])],
        "leaky_relu" => vec![x[0].leaky_relu(p.number("slope"))],
        "elu" => vec![x[0].elu(p.number("alpha"))],
        "eq" => vec![x[0].eq(x[1])],
        "eq_scalar" => vec![x[0].eq_scalar(p.number("b"))],
        "ne" => vec![x[0].ne(x[1])],
        "ne_scalar" => vec![x[0].ne_scalar(p.number("b"))],
        "lt" => vec![x[0].lt(x[1])],
        "lt_scalar" => vec![x[0].lt_scalar(p.number("b"))],
        "le" => vec![x[0].le(x[1])],
        "le_scalar" => vec![x[0].le_scalar(p.number("b"))],
        "gt" => vec![x[0].gt(x[1])],
        "gt_scalar" => vec![x[0].gt_scalar(p.number("b"))],
        "ge" => vec![x[0].ge(x[1])],
        "ge_scalar" => vec![x[0].ge_scalar(p.number("b"))],
        "sum" => vec![x[0].sum_axes(&p.ints("axes"), p.flag("keepdim"))],
        "mean" => vec![x[0].mean_axes(&p.ints("axes"), p.flag("keepdim"))],
        "max" => vec![x[0].max_axes(&p.ints("axes"), p.flag("keepdim"))],
        "min" => vec![x[0].min_axes(&p.ints("axes"), p.flag("keepdim"))],
        "amax" => vec![x[0].amax_axes(&p.ints("axes"), p.flag("keepdim"))],
        "amin" => vec![x[0].amin_axes(&p.ints("axes"), p.flag("keepdim"))],
        "argmax" => vec![x[0].argmax(p.maybe_int("axis"), p.flag("keepdim"))],
        "argmin" => vec![x[0].argmin(p.maybe_int("axis"), p.flag("keepdim"))],
        "logsumexp" => vec![x[0].logsumexp_axes(&p.ints("axes"), p.flag("keepdim"))],
        "prod" => vec![x[0].prod_axes(&p.ints("axes"), p.flag("keepdim"))],
        "var" => vec![x[0].var(p.number("correction"), &p.ints("axes"), p.flag("keepdim"))],
        "norm" => vec![x[0].norm(p.number("p"), &p.ints("axes"), p.flag("keepdim"))],
        "std" => vec![x[0].std(p.number("correction"), &p.ints("axes"), p.flag("keepdim"))],
        "all" => vec![x[0].all_axes(&p.ints("axes"), p.flag("keepdim"))],
        "any" => vec![x[0].any_axes(&p.ints("axes"), p.flag("keepdim"))],
        "count_nonzero" => vec![x[0].count_nonzero_axes(&p.ints("axes"), p.flag("keepdim"))],
        "nansum" => vec![x[0].nansum_axes(&p.ints("axes"), p.flag("keepdim"))],
        "nanmean" => vec![x[0].nanmean_axes(&p.ints("axes"), p.flag("keepdim"))],
        "cumsum" => vec![x[0].cumsum(p.int("axis"))],
        "cumprod" => vec![x[0].cumprod(p.int("axis"))],
        "logcumsumexp" => vec![x[0].logcumsumexp(p.int("axis"))],
        "cummax" => {
            let (values, indices) = x[0].cummax(p.int("axis"));
            vec![values, indices]
        }
        "cummin" => {
            let (values, indices) = x[0].cummin(p.int("axis"));
            vec![values, indices]
        }
        "diff" => vec![x[0].diff(p.int("n") as usize, p.int("axis"))],
        "trapezoid" => vec![x[0].trapezoid(p.number("dx"), p.int("axis"))],
        "trapezoid_at" => vec![x[0].trapezoid_at(x[1], p.int("axis"))],
        "sort" => {
            let (values, indices) = x[0].sort(p.int("axis"), p.flag("descending"));
            vec![values, indices]
        }
        "argsort" => vec![x[0].argsort(p.int("axis"), p.flag("descending"))],
        "topk" => {
            let (values, indices) =
                x[0].topk(p.int("k") as usize, p.int("axis"), p.flag("largest"));
            vec![values, indices]
        }
        "kthvalue" => {
            let (values, indices) =
                x[0].kthvalue(p.int("k") as usize, p.int("axis"), p.flag("keepdim"));
            vec![values, indices]
        }
        "searchsorted" => vec![x[0].searchsorted(x[1], p.flag("right"))],
        "median" => vec![x[0].median_axes(&p.ints("axes"), p.flag("keepdim"))],
        "nanmedian" => vec![x[0].nanmedian_axes(&p.ints("axes"), p.flag("keepdim"))],
        "quantile" => vec![x[0].quantile(p.number("q"), &p.ints("axes"), p.flag("keepdim"))],
        "reshape" => vec![x[0].reshape(&p.ints("shape"))],
        "permute" => vec![x[0].permute(&p.ints("order"))],
        "transpose" => vec![x[0].transpose(p.int("axis0"), p.int("axis1"))],
        "expand" => vec![x[0].expand(&p.ints("shape"))],
        "squeeze" => vec![x[0].squeeze(p.maybe_int("axis"))],
        "unsqueeze" => vec![x[0].unsqueeze(p.int("axis"))],
        "slice" => vec![x[0].slice(p.int("axis"), p.int("start"), p.int("stop"), p.int("step"))],
        "concat" => vec![graph.concat(x, p.int("axis"))],
        "stack" => vec![graph.stack(x, p.int("axis"))],
        "index_select" => vec![x[0].index_select(p.int("axis"), x[1])],
        "gather" => vec![x[0].gather(p.int("axis"), x[1])],
        "scatter" => vec![x[0].scatter(p.int("axis"), x[1], x[2])],
        "scatter_add" => vec![x[0].scatter_add(p.int("axis"), x[1], x[2])],
        "scatter_reduce" => vec![x[0].scatter_reduce(
            p.int("axis"),
            x[1],
            x[2],
            &p.text("how"),
            p.flag("include_self"),
        )],
        "index_copy" => vec![x[0].index_copy(p.int("axis"), x[1], x[2])],
        "dot" => vec![x[0].dot(x[1])],
        "matmul" => vec![x[0].matmul(x[1])],
        "softmax" => vec![x[0].softmax(p.int("axis"))],
        "log_softmax" => vec![x[0].log_softmax(p.int("axis"))],
        "cross_entropy" => vec![x[0].cross_entropy(x[1])],
        "mse" => vec![x[0].mse(x[1])],
        "dropout" => vec![x[0].dropout(p.number("p"))],
        _ => return None,
    })
}

/// All of them.
pub const NAMES: &[&str] = &[
    "neg",
    "abs",
    "sign",
    "exp",
    "expm1",
    "log",
    "log1p",
    "sqrt",
    "rsqrt",
    "square",
    "reciprocal",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sigmoid",
    "erf",
    "relu",
    "softplus",
    "gelu",
    "gelu_tanh",
    "silu",
    "floor",
    "ceil",
    "round",
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "maximum",
    "minimum",
    "atan2",
    "leaky_relu",
    "elu",
    "eq",
    "ne",
    "lt",
    "le",
    "gt",
    "ge",
    "sum",
    "mean",
    "max",
    "min",
    "amax",
    "amin",
    "argmax",
    "argmin",
    "logsumexp",
    "prod",
    "var",
    "norm",
    "std",
    "all",
    "any",
    "count_nonzero",
    "nansum",
    "nanmean",
    "cumsum",
    "cumprod",
    "logcumsumexp",
    "cummax",
    "cummin",
    "diff",
    "trapezoid",
    "trapezoid_at",
    "sort",
    "argsort",
    "topk",
    "kthvalue",
    "searchsorted",
    "median",
    "nanmedian",
    "quantile",
    "reshape",
    "permute",
    "transpose",
    "expand",
    "squeeze",
    "unsqueeze",
    "slice",
    "concat",
    "stack",
    "index_select",
    "gather",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "index_copy",
    "dot",
    "matmul",
    "softmax",
    "log_softmax",
    "cross_entropy",
    "mse",
    "dropout",
];
