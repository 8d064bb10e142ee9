//! Blocks, areas and allocations hold what they were given, for as long as somebody holds them.

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
fn filled_areas_give_each_block_once() {
    let lens = [5, 0, 64, 1000, 57];
    let (mut places, mut end) = (Vec::new(), 0);
    for len in lens {
        let place = Place::next(end, len).unwrap();
        end = place.end();
        places.push(place);
    }
    let fill = |to: &mut [u8]| {
        for (n, place) in places.iter().enumerate() {
            to[place.start()..place.end()].fill(n as u8);
        }
        Ok::<(), ()>(())
    };
    let filled = Filled::new(end, places.clone(), fill).unwrap().unwrap();
    let blocks: Vec<Block> = (0..5).map(|n| filled.take(n).unwrap()).collect();
    assert!((0..6).all(|n| filled.take(n).is_none()));
    drop(filled);
    for (n, block) in blocks.iter().enumerate() {
        assert!(block.len() == lens[n] && block.iter().all(|&octet| octet == n as u8));
    }
    let refused = |len, places: &[Place]| {
        Filled::new(len, places.to_vec(), |_| Ok::<(), ()>(())).unwrap().is_none()
    };
    assert!(refused(end - 1, &places));
    assert!(refused(end, &[places[1], places[0]]) && refused(end, &[places[0], places[0]]));
    assert!(refused(end, &[Place { at: 8, len: 1 }]));
    assert!(refused(3 * AREA, &[Place { at: AREA as u32, len: 1 }]));
    assert!(refused(end, &[Place { at: 0, len: u32::MAX }]));
    assert!(Filled::new(end, Vec::new(), |_| Err(1)).is_err());
}

#[test]
fn large_allocations_grow_and_shrink() {
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    // SAFETY: sizes are kept in step with the allocation.
    unsafe {
        let mut at = HugePages.alloc_zeroed(layout(100));
        let mut size = 100;
        at.write(42);
        for next in [LARGE - 1, LARGE, LARGE + 5000, 3 * LARGE, LARGE, 200] {
            at = HugePages.realloc(at, layout(size), next);
            size = next;
            assert_eq!(at.read(), 42);
            at.add(size - 1).write(7);
        }
        HugePages.dealloc(at, layout(size));
        let zeroed = HugePages.alloc_zeroed(layout(LARGE));
        assert!((0..LARGE).step_by(4096).all(|i| zeroed.add(i).read() == 0));
        HugePages.dealloc(zeroed, layout(LARGE));
    }
    trim();
}

#[test]
fn blocks_are_packed_and_aligned() {
    let mut arena = Arena::default();
    let blocks: Vec<Block> = (0..1000).map(|_| arena.place(&[7; 100])).collect();
    let at = |block: &Block| block.0.as_ptr() as usize;
    assert!(blocks.windows(2).all(|two| at(&two[1]) - at(&two[0]) == 128));
    assert!(blocks.iter().all(|block| at(block).is_multiple_of(STEP)));
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

#[test]
fn words_beside_a_block_live_as_long_as_it_does() {
    let mut arena = Arena::default();
    let place = Place::next(0, 5).unwrap();
    let filled = Filled::new(place.end(), vec![place], |_| Ok::<(), ()>(())).unwrap().unwrap();
    for block in [Block::new(&[1; 9]), arena.place(&[1; 9]), filled.take(0).unwrap()] {
        assert!(block.beside().is_empty());
        block.put_beside(0);
        assert!(block.beside().is_empty());
        block.put_beside(1000);
        assert!(block.beside().iter().all(|word| word.load(Ordering::Relaxed) == 0));
        let other = block.clone();
        std::thread::scope(|scope| {
            scope.spawn(|| other.beside()[999].store(7, Ordering::Relaxed));
            // Both may want to put some there; the first wins.
            scope.spawn(|| block.put_beside(3));
        });
        let before = block.to_vec();
        drop(block);
        assert_eq!((other.beside().len(), other.beside()[999].load(Ordering::Relaxed)), (1000, 7));
        assert_eq!(before, *other);
    }
}
