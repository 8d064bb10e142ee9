//! Memory for octets that never change: many blocks packed into large areas of huge pages.
//!
//! A server of many zones looks into memory that no cache holds. With pages of 4 KiB the processor then waits for its
//! page tables as often as for the data, so areas are as large and as aligned as a huge page and ask for one. Packed
//! blocks also cost no heap: sixteen octets each, and at most 31 between two of them.
//!
//! ```text
//! area    one mapping, aligned to AREA: head (blocks alive, size), then blocks
//! block   head (handles, length, words beside it), then its octets
//! ```
//! A block that is made by itself has the same head, in an allocation of its own. The area of a block is found by its
//! address. An area is unmapped with its last block.

use std::alloc::{GlobalAlloc, Layout, System, alloc, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering, fence};

/// Octets of an area and its alignment: a huge page.
pub const AREA: usize = 2 << 20;
/// Octets of a cache line.
const LINE: usize = 64;
/// Blocks of an area start at multiples of this: what a look-up reads of most of them first then lies in two lines at
/// the most, and a million zones need not be filled up to whole ones.
const STEP: usize = 32;
/// Bit of `BlockHead::handles`: the block lies in an area.
const IN_AREA: u32 = 1 << 31;
/// Handles of one block; beyond it something leaks them.
const HANDLES_MAX: u32 = 1 << 30;

#[repr(C)]
struct BlockHead {
    /// Handles there are, and `IN_AREA`.
    handles: AtomicU32,
    len: u32,
    /// The first of the words beside the block, which says how many follow; null: there are none.
    beside: AtomicPtr<AtomicU64>,
}

const BLOCK_HEAD: usize = size_of::<BlockHead>();

#[repr(C)]
struct AreaHead {
    /// Blocks that have handles, and one more while the area is being filled.
    alive: AtomicU32,
    /// Octets mapped.
    size: usize,
}

/// Octets that never change. Cloning shares them.
pub struct Block(NonNull<BlockHead>);

// SAFETY: the octets are never written while a handle exists, and the counts are atomic.
unsafe impl Send for Block {}
// SAFETY: as above.
unsafe impl Sync for Block {}

impl Block {
    /// A block in an allocation of its own.
    pub fn new(octets: &[u8]) -> Block {
        let len = block_len(octets);
        let layout = own_layout(len);
        // SAFETY: the layout is not empty.
        let Some(at) = NonNull::new(unsafe { alloc(layout) }) else { handle_alloc_error(layout) };
        // SAFETY: `at` has room for a head and `len` octets, is aligned for the head, and nobody else knows it.
        unsafe { Block::write(at, octets, len, 1) }
    }

    /// Writes head and octets.
    ///
    /// # Safety
    /// `at` is valid for writes of a head and the octets, aligned to 8, and not used by anything else.
    unsafe fn write(at: NonNull<u8>, octets: &[u8], len: u32, handles: u32) -> Block {
        let head = at.cast::<BlockHead>();
        // SAFETY: by the contract of this function.
        unsafe {
            head.write(BlockHead { handles: AtomicU32::new(handles), len, beside: none() });
            std::ptr::copy_nonoverlapping(
                octets.as_ptr(),
                at.as_ptr().add(BLOCK_HEAD),
                octets.len(),
            );
        }
        Block(head)
    }

    fn head(&self) -> &BlockHead {
        // SAFETY: a handle keeps its block, and heads are written before handles are made.
        unsafe { self.0.as_ref() }
    }
}

impl Deref for Block {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let len = self.head().len as usize;
        // SAFETY: `len` octets behind the head were written before the first handle was made, and live as long as one.
        unsafe {
            std::slice::from_raw_parts(
                self.0.as_ptr().cast::<u8>().cast_const().add(BLOCK_HEAD),
                len,
            )
        }
    }
}

impl Clone for Block {
    fn clone(&self) -> Block {
        let before = self.head().handles.fetch_add(1, Ordering::Relaxed);
        // A count that wraps would free what is in use.
        assert!(before & !IN_AREA < HANDLES_MAX, "a block has a thousand million handles");
        Block(self.0)
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let before = self.head().handles.fetch_sub(1, Ordering::Release);
        if before & !IN_AREA != 1 {
            return;
        }
        // Whoever dropped a handle before is done reading.
        fence(Ordering::Acquire);
        let beside = self.head().beside.swap(std::ptr::null_mut(), Ordering::Relaxed);
        if !beside.is_null() {
            // SAFETY: made by `put_beside`; this was the last handle, so nobody reads them.
            drop(unsafe { Box::from_raw(words(beside)) });
        }
        if before & IN_AREA != 0 {
            // SAFETY: the block lies in an area, which lives as long as the block does.
            unsafe { let_go(area_of(self.0.cast())) };
        } else {
            let layout = own_layout(self.head().len);
            // SAFETY: allocated by `new` with this layout; this was the last handle.
            unsafe { dealloc(self.0.as_ptr().cast(), layout) };
        }
    }
}

impl Block {
    /// Puts `count` words beside the block, all 0, that may be written while others read. Once: a second time changes
    /// nothing. A block that many have takes none with it into a file.
    pub fn put_beside(&self, count: usize) {
        if count == 0 {
            return;
        }
        let first = AtomicU64::new(count as u64);
        let all: Box<[AtomicU64]> =
            std::iter::once(first).chain((0..count).map(|_| AtomicU64::new(0))).collect();
        let new = Box::into_raw(all);
        let beside = &self.head().beside;
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        if beside.compare_exchange(std::ptr::null_mut(), new.cast(), success, failure).is_err() {
            // SAFETY: made above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(new) });
        }
    }

    /// The words beside the block.
    #[inline]
    pub fn beside(&self) -> &[AtomicU64] {
        let beside = self.head().beside.load(Ordering::Acquire);
        if beside.is_null() {
            return &[];
        }
        // SAFETY: made by `put_beside`, and freed with the last handle; the first word is never written again.
        let all = unsafe { &*words(beside) };
        &all[1..]
    }
}

fn none() -> AtomicPtr<AtomicU64> {
    AtomicPtr::new(std::ptr::null_mut())
}

/// All words of those that begin with `first`.
///
/// # Safety
/// `first` comes from `put_beside` and was not freed.
unsafe fn words(first: *mut AtomicU64) -> *mut [AtomicU64] {
    // SAFETY: by the contract.
    let count = unsafe { (*first).load(Ordering::Relaxed) } as usize;
    std::ptr::slice_from_raw_parts_mut(first, 1 + count)
}

impl std::fmt::Debug for Block {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Block({} octets)", self.len())
    }
}

/// Packs blocks into areas, one after the other. Each thread that makes blocks has its own.
#[derive(Debug, Default)]
pub struct Arena {
    open: Option<Open>,
    apart: bool,
}

/// An area that is being filled.
#[derive(Debug)]
struct Open {
    area: NonNull<AreaHead>,
    size: usize,
    used: usize,
}

// SAFETY: the part that is not used yet belongs to whoever owns this; the count is atomic.
unsafe impl Send for Open {}
// SAFETY: with a shared reference nothing is written but counts, which are atomic.
unsafe impl Sync for Open {}

/// An area whose blocks were made elsewhere, for instance read from a file. Each is taken out once.
#[derive(Debug)]
pub struct Filled {
    open: Open,
    places: Vec<Place>,
}

/// Where a block lies in what an area is filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Where sixteen octets for the head begin; the block's own follow. A multiple of [`STEP`].
    pub at: u32,
    /// Octets of the block.
    pub len: u32,
}

impl Place {
    /// Behind a block that ends at `end`, one of `len` octets.
    pub fn next(end: usize, len: usize) -> Option<Place> {
        let at = end.next_multiple_of(STEP);
        Some(Place { at: u32::try_from(at).ok()?, len: u32::try_from(len).ok()? })
    }

    /// Where the octets of the block begin.
    pub fn start(self) -> usize {
        self.at as usize + BLOCK_HEAD
    }

    /// Where they end.
    pub fn end(self) -> usize {
        self.start() + self.len as usize
    }

    /// Whether an area that is filled so far has no room for it. A first block has room, however large it is.
    pub fn is_beyond(self) -> bool {
        self.at > 0 && self.end() > AREA - LINE
    }
}

impl Filled {
    /// An area with `len` octets that `fill` writes. `None`: the places overlap or lie outside, or there is no memory.
    pub fn new<E>(
        len: usize,
        places: Vec<Place>,
        fill: impl FnOnce(&mut [u8]) -> Result<(), E>,
    ) -> Result<Option<Filled>, E> {
        let mut end = 0;
        for place in &places {
            let start = place.at as usize;
            if start < end || !start.is_multiple_of(STEP) || start + LINE >= AREA {
                return Ok(None);
            }
            end = place.end();
        }
        let open = if end > len { None } else { Open::new(LINE + len) };
        let Some(open) = open else { return Ok(None) };
        // SAFETY: mapped by `new` and zeroed, and not yet known to anybody else.
        fill(unsafe {
            std::slice::from_raw_parts_mut(open.area.cast::<u8>().add(LINE).as_ptr(), len)
        })?;
        let filled = Filled { open, places };
        for place in &filled.places {
            // SAFETY: the place lies within the mapping, as checked above, and is aligned.
            unsafe {
                let handles = AtomicU32::new(0);
                filled.head(*place).write(BlockHead { handles, len: place.len, beside: none() });
            }
        }
        Ok(Some(filled))
    }

    /// Takes out the block at the place with this number; `None` if it was taken before.
    pub fn take(&self, number: usize) -> Option<Block> {
        let head = self.head(*self.places.get(number)?);
        // SAFETY: heads were written by `new`, and the area lives as long as this.
        let handles = unsafe { &head.as_ref().handles };
        handles.compare_exchange(0, 1 | IN_AREA, Ordering::Relaxed, Ordering::Relaxed).ok()?;
        // SAFETY: as above.
        unsafe { self.open.area.as_ref() }.alive.fetch_add(1, Ordering::Relaxed);
        Some(Block(head))
    }

    fn head(&self, place: Place) -> NonNull<BlockHead> {
        // SAFETY: places were checked to lie within the mapping, behind its head.
        unsafe { self.open.area.cast::<u8>().add(LINE + place.at as usize).cast() }
    }
}

impl Arena {
    /// Packs nothing: for few blocks, which would not fill an area.
    pub fn apart() -> Arena {
        Arena { open: None, apart: true }
    }

    /// A block with a copy of `octets` at the beginning of a line, for what is looked up by its first octets.
    pub fn place_lined(&mut self, octets: &[u8]) -> Block {
        if let Some(open) = &mut self.open {
            open.used = open.used.next_multiple_of(LINE).min(open.size);
        }
        self.place(octets)
    }

    /// A block with a copy of `octets`.
    pub fn place(&mut self, octets: &[u8]) -> Block {
        let need = BLOCK_HEAD + octets.len();
        if self.apart {
            return Block::new(octets);
        }
        if need > AREA - LINE {
            // An area of its own, as large as it must be.
            return match Open::new(LINE + need) {
                Some(mut open) => open.place(octets),
                None => Block::new(octets),
            };
        }
        if self.open.as_ref().is_none_or(|open| open.size - open.used < need) {
            self.open = Open::new(AREA);
        }
        match &mut self.open {
            Some(open) => open.place(octets),
            // The system gives no mapping: the heap may still have room.
            None => Block::new(octets),
        }
    }
}

impl Open {
    fn new(size: usize) -> Option<Open> {
        let size = size.next_multiple_of(4096);
        let area = map(size)?.cast::<AreaHead>();
        // SAFETY: the mapping is new, aligned, and larger than a head.
        unsafe { area.write(AreaHead { alive: AtomicU32::new(1), size }) };
        Some(Open { area, size, used: LINE })
    }

    /// There is room for the block.
    fn place(&mut self, octets: &[u8]) -> Block {
        let need = BLOCK_HEAD + octets.len();
        assert!(need <= self.size - self.used, "a block is larger than what is left of its area");
        // SAFETY: within the mapping, behind everything placed before, and aligned.
        let block = unsafe {
            self.area.as_ref().alive.fetch_add(1, Ordering::Relaxed);
            let at = self.area.cast::<u8>().add(self.used);
            Block::write(at, octets, block_len(octets), 1 | IN_AREA)
        };
        self.used = (self.used + need).next_multiple_of(STEP).min(self.size);
        block
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // SAFETY: made by `new`; its one count for filling is given back here only.
        unsafe { let_go(self.area) };
    }
}

fn block_len(octets: &[u8]) -> u32 {
    u32::try_from(octets.len()).expect("blocks are smaller than 4 GiB")
}

fn own_layout(len: u32) -> Layout {
    Layout::from_size_align(BLOCK_HEAD + len as usize, align_of::<u64>())
        .expect("4 GiB are less than the address space")
}

/// The area that a place in its first `AREA` octets belongs to. A block starts nowhere else.
fn area_of(at: NonNull<u8>) -> NonNull<AreaHead> {
    let within = at.as_ptr() as usize % AREA;
    // SAFETY: areas are aligned to `AREA`, so the result is the start of the same mapping.
    unsafe { at.sub(within).cast() }
}

/// Gives back one count of an area, and unmaps it with the last one.
///
/// # Safety
/// The area is mapped, and the caller has a count that it does not use again.
unsafe fn let_go(area: NonNull<AreaHead>) {
    // SAFETY: mapped, by the contract.
    let head = unsafe { area.as_ref() };
    if head.alive.fetch_sub(1, Ordering::Release) == 1 {
        fence(Ordering::Acquire);
        let size = head.size;
        // SAFETY: no block and nobody who fills it is left; the mapping has this size.
        unsafe { libc::munmap(area.as_ptr().cast(), size) };
    }
}

/// Zeroed memory aligned to `AREA`, in huge pages if the system has them to give.
fn map(size: usize) -> Option<NonNull<u8>> {
    let whole = size.checked_add(AREA)?;
    // SAFETY: a new anonymous mapping touches nothing that exists.
    let start = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            whole,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            -1,
            0,
        )
    };
    if start == libc::MAP_FAILED {
        return None;
    }
    let start = NonNull::new(start.cast::<u8>())?;
    let before = start.as_ptr().align_offset(AREA);
    // SAFETY: all three lie in the mapping just made; what is given back is used by nobody.
    unsafe {
        let area = start.add(before);
        if before > 0 {
            libc::munmap(start.as_ptr().cast(), before);
        }
        if before < AREA {
            libc::munmap(area.add(size).as_ptr().cast(), AREA - before);
        }
        // Only advice: without it everything works, slower.
        libc::madvise(area.as_ptr().cast(), size, libc::MADV_HUGEPAGE);
        Some(area)
    }
}

impl Block {
    /// Asks for the head and what lies in one line with it. Reads nothing.
    #[inline(always)]
    pub fn prefetch_line(&self) {
        prefetch_address(self.0.as_ptr().cast());
    }

    /// Asks for the head and the first octets. Reads nothing.
    #[inline(always)]
    pub fn prefetch(&self) {
        let head = self.0.as_ptr();
        prefetch_address(head.cast());
        prefetch_address(head.cast::<u8>().wrapping_add(LINE));
    }
}

/// Asks for the cache line of item `at`, so that a later read need not wait. Out of bounds: nothing happens.
#[inline(always)]
pub fn prefetch<T>(items: &[T], at: usize) {
    if let Some(item) = items.get(at) {
        prefetch_address(std::ptr::from_ref(item).cast());
    }
}

/// Asks for the cache lines of `value`, up to four of them.
#[inline(always)]
pub fn prefetch_value<T>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    for line in 0..size_of::<T>().div_ceil(LINE).min(4) {
        prefetch_address(start.wrapping_add(line * LINE));
    }
}

#[inline(always)]
fn prefetch_address(address: *const u8) {
    // SAFETY: a prefetch changes no register, no flag and no memory, and never faults, wherever it points.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{0}]", in(reg) address,
            options(nostack, readonly, preserves_flags)
        );
    }
    // Elsewhere reads wait, which is slower and just as right.
    let _ = address;
}

/// An allocator that asks for huge pages for what is as large as one, and leaves the rest to the system. Tables of a
/// million zones, and the text of a large one, then cost a five-hundredth of the page faults.
#[derive(Debug)]
pub struct HugePages;

/// From here on allocations are mappings of their own.
const LARGE: usize = 2 * AREA;

fn is_large(layout: Layout) -> bool {
    layout.size() >= LARGE && layout.align() <= AREA
}

// SAFETY: what is large by its layout is mapped and unmapped here, with that size; all else goes to the system's own.
unsafe impl GlobalAlloc for HugePages {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            return map(layout.size()).map_or(std::ptr::null_mut(), NonNull::as_ptr);
        }
        // SAFETY: by the contract of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout) {
            // SAFETY: by the contract of this function; a new mapping is zeroed.
            return unsafe { self.alloc(layout) };
        }
        // SAFETY: by the contract of this function.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        if is_large(layout) {
            // SAFETY: mapped by `alloc` with this size.
            unsafe { libc::munmap(at.cast(), layout.size()) };
        } else {
            // SAFETY: by the contract of this function; it came from the system.
            unsafe { System.dealloc(at, layout) }
        }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller gives a size that makes a valid layout.
        let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if !is_large(layout) && !is_large(new) {
            // SAFETY: by the contract of this function.
            return unsafe { System.realloc(at, layout, size) };
        }
        // SAFETY: the old place holds as much as its layout says, the new one as much as `new`.
        unsafe {
            let to = self.alloc(new);
            if !to.is_null() {
                std::ptr::copy_nonoverlapping(at, to, layout.size().min(size));
                self.dealloc(at, layout);
            }
            to
        }
    }
}

/// Gives memory back that the system's allocator keeps for later: after a start it would keep it for ever.
pub fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: may be called at any time, from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests;
