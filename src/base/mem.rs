//! Memory for octets that never change: many blocks packed into large areas of huge pages.
//!
//! A server of many zones looks into memory that no cache holds. With pages of 4 KiB the processor then waits for its
//! page tables as often as for the data, so areas are as large and as aligned as a huge page and ask for one. Packed
//! blocks also cost no heap: eight octets each, and at most 63 to the next cache line.
//!
//! ```text
//! area    one mapping, aligned to AREA: head (blocks alive, size), then blocks
//! block   head (handles, length), then its octets
//! ```
//! A block that is made by itself has the same head, in an allocation of its own. The area of a block is found by its
//! address. An area is unmapped with its last block.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering, fence};

/// Octets of an area and its alignment: a huge page.
pub const AREA: usize = 2 << 20;
/// Blocks of an area start at cache lines, so that the start of a block is one read.
const LINE: usize = 64;
/// Bit of `BlockHead::handles`: the block lies in an area.
const IN_AREA: u32 = 1 << 31;
/// Handles of one block; beyond it something leaks them.
const HANDLES_MAX: u32 = 1 << 30;

#[repr(C)]
struct BlockHead {
    /// Handles there are, and `IN_AREA`.
    handles: AtomicU32,
    len: u32,
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
            head.write(BlockHead { handles: AtomicU32::new(handles), len });
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

impl Arena {
    /// Packs nothing: for few blocks, which would not fill an area.
    pub fn apart() -> Arena {
        Arena { open: None, apart: true }
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
        // SAFETY: within the mapping, behind everything placed before, at a cache line.
        let block = unsafe {
            self.area.as_ref().alive.fetch_add(1, Ordering::Relaxed);
            let at = self.area.cast::<u8>().add(self.used);
            Block::write(at, octets, block_len(octets), 1 | IN_AREA)
        };
        self.used = (self.used + need).next_multiple_of(LINE).min(self.size);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_changes_nothing() {
        let octets = [7u8; 300];
        for at in [0, 64, 299, 300, usize::MAX] {
            prefetch(&octets, at);
        }
        prefetch::<u64>(&[], 0);
        assert_eq!(octets, [7; 300]);
    }

    fn octets(len: usize, seed: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 31 + seed) as u8).collect()
    }

    #[test]
    fn blocks_hold_what_they_were_given() {
        let mut arena = Arena::default();
        let lens = [0, 1, 55, 56, 57, 64, 4096, 100_000, AREA - 72, AREA - 71, AREA, 5 * AREA + 3];
        let mut blocks = Vec::new();
        for (seed, &len) in lens.iter().cycle().take(120).enumerate() {
            let octets = octets(len, seed);
            blocks.push((arena.place(&octets), octets.clone()));
            blocks.push((Block::new(&octets), octets));
        }
        for (block, octets) in &blocks {
            assert!(**block == **octets);
        }
        // Out of order, and the arena in the middle.
        let rest: Vec<_> = blocks.drain(..).step_by(2).collect();
        drop(arena);
        assert!(rest.iter().all(|(block, octets)| **block == **octets));
    }

    #[test]
    fn blocks_are_packed_and_start_at_lines() {
        let mut arena = Arena::default();
        let blocks: Vec<Block> = (0..1000).map(|_| arena.place(&[7; 100])).collect();
        let at = |block: &Block| block.0.as_ptr() as usize;
        assert!(blocks.windows(2).all(|two| at(&two[1]) - at(&two[0]) == 128));
        assert!(blocks.iter().all(|block| at(block).is_multiple_of(LINE)));
        assert!(area_of(blocks[999].0.cast()) == area_of(blocks[0].0.cast()));
    }

    #[test]
    fn threads_share_blocks_until_the_last_lets_go() {
        let mut arena = Arena::default();
        let blocks: Vec<Block> = (0..2000).map(|n| arena.place(&octets(n, n))).collect();
        drop(arena);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                let blocks = blocks.clone();
                scope.spawn(move || {
                    for (n, block) in blocks.into_iter().enumerate() {
                        let other = block.clone();
                        drop(block);
                        assert!(*other == *octets(n, n));
                    }
                });
            }
            drop(blocks);
        });
    }

    #[test]
    fn an_area_stays_while_it_is_used() {
        let is_mapped = |at: usize| {
            // SAFETY: asks the kernel only; the address is not read.
            unsafe { libc::msync(at as *mut libc::c_void, 4096, libc::MS_ASYNC) == 0 }
        };
        let block = Arena::default().place(&[1; 3 * AREA]);
        let area = area_of(block.0.cast()).as_ptr() as usize;
        let other = block.clone();
        drop(block);
        assert!(is_mapped(area) && other[3 * AREA - 1] == 1);
        // What becomes of it then cannot be asked: another test may map the same place at once.
        drop(other);
        let mut arena = Arena::default();
        let first = arena.place(&[1; 10]);
        let open = area_of(first.0.cast()).as_ptr() as usize;
        drop(first);
        assert!(is_mapped(open), "an area that is being filled stays");
    }
}
