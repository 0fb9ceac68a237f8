//! Sums at places, where many elements may be added to one.

use crate::total::Total;

/// Elements that are added up at one place, in their own precision.
const RUN_MAX: usize = 64;

/// Words of memory that sums at so many places need, each of `inner` elements, where `most` of the
/// elements may meet at one place: to know the places with more than `RUN_MAX`, and for their totals, of
/// two words each.
pub(crate) fn often_words(most: usize, places: usize, elements: usize, inner: usize) -> usize {
    if most <= RUN_MAX {
        return 0;
    }
    places.div_ceil(2) + elements / (RUN_MAX + 1) * inner * 2
}

/// Places to which more than `RUN_MAX` elements are added: their sums go on in f64, with the low part
/// carried along. All others are added in their own precision, which is as good for so few.
pub(crate) struct Often<'a> {
    /// By place: how often it is named; then the number of its totals, or `SELDOM`.
    places: &'a mut [u32],
    totals: &'a mut [Total],
    /// Totals of a place.
    inner: usize,
    /// Places that are named often.
    used: usize,
}

const SELDOM: u32 = u32::MAX;

impl<'a> Often<'a> {
    /// In so many words of zeros as [`often_words`] says.
    pub(crate) fn new(work: &'a mut [u64], places: usize, inner: usize) -> Self {
        if work.is_empty() {
            return Self { places: &mut [], totals: &mut [], inner, used: 0 };
        }
        let (counts, totals) = work.split_at_mut(places.div_ceil(2));
        // SAFETY: two words of 32 bits in each of 64, and totals of two; zero bytes are numbers of both.
        let (places, totals) = unsafe {
            (
                std::slice::from_raw_parts_mut(counts.as_mut_ptr().cast(), places),
                std::slice::from_raw_parts_mut(totals.as_mut_ptr().cast(), totals.len() / 2),
            )
        };
        Self { places, totals, inner, used: 0 }
    }

    /// Whether there can be any.
    pub(crate) fn is_possible(&self) -> bool {
        !self.places.is_empty()
    }

    pub(crate) fn count(&mut self, place: usize) {
        if let Some(count) = self.places.get_mut(place) {
            *count = count.saturating_add(1);
        }
    }

    /// All places were counted.
    pub(crate) fn begin(&mut self) {
        for place in self.places.iter_mut() {
            *place = if *place as usize > RUN_MAX {
                self.used += 1;
                self.used as u32 - 1
            } else {
                SELDOM
            };
        }
        self.totals[..self.used * self.inner].fill(Total::default());
        if self.used == 0 {
            self.places = &mut [];
        }
    }

    /// The totals of a place that is named often.
    #[inline(always)]
    pub(crate) fn totals(&mut self, place: usize) -> Option<&mut [Total]> {
        let number = *self.places.get(place)?;
        let start = number as usize * self.inner;
        if number == SELDOM { None } else { Some(&mut self.totals[start..start + self.inner]) }
    }

    /// Tells each total, with its element among those of all places, and begins anew.
    pub(crate) fn end(&mut self, mut tell: impl FnMut(usize, f64)) {
        for (place, &number) in self.places.iter().enumerate() {
            if number == SELDOM {
                continue;
            }
            for k in 0..self.inner {
                let total = &mut self.totals[number as usize * self.inner + k];
                tell(place * self.inner + k, std::mem::take(total).value());
            }
        }
    }
}
