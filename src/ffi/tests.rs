//! What C sees of a panic.

use std::ffi::CStr;
use std::sync::{Mutex, PoisonError};

use super::gradient::{bg_backward, bg_read_grad};
use super::graph::{bg_clear_error, bg_error_message, bg_graph_free, bg_graph_new, bg_reset};
use super::leaf::bg_param_f32;
use super::operations::{bg_dot, bg_einsum, bg_l1_loss, bg_mse_loss, bg_sub};
use super::read::bg_item;
use super::*;

/// # Safety
/// `g` is a graph.
unsafe fn message(g: *mut bg_graph) -> String {
    // SAFETY: the caller's promise; a message is a C string.
    unsafe { CStr::from_ptr(bg_error_message(g)).to_str().unwrap().to_owned() }
}

/// The place of the last panic is the whole library's: one test at a time.
static PANICS: Mutex<()> = Mutex::new(());

#[test]
fn a_panic_is_a_status_that_tells_its_place() {
    let _one = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: one graph, used on this thread, with its own nodes.
    unsafe {
        let g = bg_graph_new();
        let x = bg_param_f32(g, [1.0f32, 2.0].as_ptr(), 2);
        let y = bg_dot(g, x, x);
        let told = status(g, |_| panic!("on purpose, {}", 1 + 1));
        assert_eq!(told, bg_status::BG_ERR_INTERNAL);
        let text = message(g);
        assert!(text.contains("please report it: on purpose, 2 (src/ffi/tests.rs:"), "{text}");
        bg_clear_error(g);
        let mut out = 0.0;
        assert_eq!(bg_item(g, y, &raw mut out), bg_status::BG_OK);
        assert_eq!(out, 5.0);
        bg_graph_free(g);
    }
}

#[test]
fn what_a_panic_left_half_changed_is_refused_until_reset() {
    let _one = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: as above.
    unsafe {
        let g = bg_graph_new();
        let scene = |g| {
            let x = bg_param_f32(g, [1.0f32, 2.0].as_ptr(), 2);
            (x, bg_dot(g, x, x))
        };
        let (x, y) = scene(g);
        let told = status(g, |session| {
            session.core.is_torn = true;
            panic!("in the midst of changing gradients");
        });
        assert_eq!(told, bg_status::BG_ERR_INTERNAL);
        bg_clear_error(g);
        let mut grad = [0f32; 2];
        let bytes = size_of_val(&grad);
        assert_eq!(bg_backward(g, y), bg_status::BG_ERR_INTERNAL);
        assert!(message(g).contains("until it is reset"), "{}", message(g));
        bg_clear_error(g);
        assert_eq!(bg_read_grad(g, x, grad.as_mut_ptr().cast(), bytes), bg_status::BG_ERR_INTERNAL);
        bg_reset(g);
        bg_clear_error(g);
        let (x, y) = scene(g);
        assert_eq!(bg_backward(g, y), bg_status::BG_OK);
        assert_eq!(bg_read_grad(g, x, grad.as_mut_ptr().cast(), bytes), bg_status::BG_OK);
        assert_eq!(grad, [2.0, 4.0]);
        bg_graph_free(g);
    }
}

#[test]
fn a_text_and_a_reduction_are_checked() {
    // SAFETY: one graph, used on this thread, with its own nodes; the lists are as long as is said.
    unsafe {
        let g = bg_graph_new();
        let x = bg_param_f32(g, [1.0f32, 2.0].as_ptr(), 2);
        let xs = [x, x];
        let refused = |y: bg_node, want: &str| {
            assert_eq!(y.tag, 0, "{want}");
            assert!(message(g).contains(want), "{}, not {want}", message(g));
            bg_clear_error(g);
        };
        let einsum = |text: *const u8| bg_einsum(g, text.cast(), xs.as_ptr(), 2);
        refused(einsum(std::ptr::null()), "einsum: a pointer is NULL");
        refused(einsum(c"i,\xff->i".as_ptr().cast()), "einsum: a text is not UTF-8");
        refused(bg_l1_loss(g, x, x, 3), "l1_loss: 3 is no reduction: use BG_REDUCE_NONE");
        let mut out = 0.0;
        assert_eq!(bg_item(g, einsum(c"i,i".as_ptr().cast()), &raw mut out), bg_status::BG_OK);
        assert_eq!(out, 5.0);
        for (code, want) in [(BG_REDUCE_MEAN, 2.5), (BG_REDUCE_SUM, 5.0)] {
            let zero = bg_sub(g, x, x);
            let y = bg_mse_loss(g, x, zero, code);
            assert_eq!(bg_item(g, y, &raw mut out), bg_status::BG_OK);
            assert_eq!(out, want);
        }
        bg_graph_free(g);
    }
}
