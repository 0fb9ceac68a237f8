//! Single steps along one axis: on rows, where it is the last one, or on columns.

use super::step::Run;
use crate::kernel::{call_columns, call_rows};
use crate::node::Op;
use crate::plan::{Groups, Single};
use crate::shape::Dims;
use crate::task::Around;
use crate::team::Team;

/// Elements that a thread takes at a time, about, and columns of a longer axis.
const SHARE: usize = 1 << 16;
const SHARE_COLUMNS: usize = 256;

impl Run<'_> {
    pub(super) fn along_axis(&self, single: &Single, team: Team) {
        let view = &single.operands.of(&self.plan.views)[0];
        let (_, layout) = self.start(view);
        let (dims, list) = (layout.dims(), single.list.of(&self.plan.words));
        let dtype = self.plan.data[view.datum as usize].dtype;
        let kernels = self.kernels(dtype);
        let (slabs, to_lines) = match single.op {
            Op::Softmax => (&kernels.softmax, true),
            Op::LogSoftmax => (&kernels.log_softmax, true),
            Op::ArgReduce(which) => (kernels.arg(which), false),
            Op::Reduce(_) => (kernels.logsumexp(), false),
            op => unreachable!("{op:?} goes along no axis"),
        };
        let Around { outer, len: reduced, inner } = if to_lines {
            Around::new(dims, list[0] as usize)
        } else {
            let mut kept = Dims::SCALAR;
            list.iter().for_each(|&len| kept.push(len as usize));
            match Groups::of(dims, &kept) {
                Some(Groups { outer, reduced, inner }) => Around { outer, len: reduced, inner },
                None => unreachable!("{:?} over axes that are apart", single.op),
            }
        };
        let (size, out_size) = (dtype.size(), single.dtype.size());
        let kernel = slabs.before(inner);
        let slab = reduced * inner;
        let (per, columns) = ((SHARE / slab.max(1)).max(1), SHARE_COLUMNS.min(inner));
        let parts = if slab > SHARE { inner.div_ceil(columns) } else { 1 };
        let columns = if parts == 1 { inner } else { columns };
        let task = |number: usize| {
            let (first, part) = (number / parts * per, number % parts * columns);
            let n = columns.min(inner - part);
            let last = outer.min(first + per);
            let (from, out) = (self.start(view).0, self.base(single.out));
            let out_slab = if to_lines { slab } else { inner };
            // SAFETY: the operand is dense, and the slabs and columns of a task, as its results, are
            // inside of it and no other's.
            unsafe {
                if inner == 1 {
                    let (from, out) =
                        (from.add(first * slab * size), out.add(first * out_slab * out_size));
                    return call_rows(kernel, last - first, reduced, out, from);
                }
                for o in first..last {
                    let from = from.add((o * slab + part) * size);
                    let out = out.add((o * out_slab + part) * out_size);
                    call_columns(kernel, n, reduced, inner, out, [from, from]);
                }
            }
        };
        let tasks = outer.div_ceil(per) * parts;
        if tasks < 2 || team == Team::ALONE {
            (0..tasks).for_each(task);
        } else {
            team.share(tasks, &|_, number| task(number));
        }
    }
}
