//! The open connections of one worker, found by the number that the kernel tells with each event.

/// Which connection: its place, and how often the place was given away before. A number is not
/// used again while anybody may still remember it, be it an event or an answer that comes late.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Number(u64);

/// Places of connections.
#[derive(Debug)]
pub struct Table<T> {
    places: Vec<Place<T>>,
    /// Places without a connection.
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    /// Never 0: numbers below 2^32 are left to other things.
    generation: u32,
    item: Option<T>,
}

impl Number {
    /// `None` for numbers that no connection has.
    pub fn of(value: u64) -> Option<Number> {
        (value >> 32 != 0).then_some(Number(value))
    }

    pub fn value(self) -> u64 {
        self.0
    }

    fn place(self) -> usize {
        (self.0 & u64::from(u32::MAX)) as usize
    }

    fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

impl<T> Table<T> {
    pub fn new() -> Table<T> {
        Table { places: Vec::new(), free: Vec::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.free.len() == self.places.len()
    }

    /// Makes place for a connection; `make` is told its number. An error leaves the place free.
    pub fn add<E>(&mut self, make: impl FnOnce(Number) -> Result<T, E>) -> Result<Number, E> {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { generation: 1, item: None });
            u32::try_from(self.places.len() - 1).expect("files are numbered with 31 bits")
        });
        let place = &mut self.places[at as usize];
        let number = Number(u64::from(place.generation) << 32 | u64::from(at));
        match make(number) {
            Ok(item) => {
                place.item = Some(item);
                Ok(number)
            }
            Err(error) => {
                self.free.push(at);
                Err(error)
            }
        }
    }

    /// `None` if that connection is gone.
    pub fn find(&mut self, number: Number) -> Option<&mut T> {
        let place = self.places.get_mut(number.place())?;
        if place.generation == number.generation() { place.item.as_mut() } else { None }
    }

    pub fn remove(&mut self, number: Number) {
        if self.find(number).is_some() {
            let place = &mut self.places[number.place()];
            place.item = None;
            place.generation = place.generation.checked_add(1).unwrap_or(1);
            self.free.push(number.place() as u32);
        }
    }

    /// The numbers of all connections that `pick` is true for.
    pub fn numbers(&self, pick: impl Fn(&T) -> bool) -> Vec<Number> {
        let number = |(at, place): (usize, &Place<T>)| {
            let item = place.item.as_ref()?;
            pick(item).then(|| Number(u64::from(place.generation) << 32 | at as u64))
        };
        self.places.iter().enumerate().filter_map(number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(table: &mut Table<&'static str>, item: &'static str) -> Number {
        table.add(|_| Ok::<_, ()>(item)).unwrap()
    }

    #[test]
    fn a_number_is_of_one_connection_alone() {
        let mut table = Table::new();
        assert!(table.is_empty());
        let (a, b) = (add(&mut table, "a"), add(&mut table, "b"));
        assert_eq!((table.find(a).copied(), table.find(b).copied()), (Some("a"), Some("b")));
        assert_eq!(Number::of(a.value()), Some(a));
        assert_eq!(Number::of(u64::from(u32::MAX)), None);
        table.remove(a);
        table.remove(a);
        assert_eq!(table.find(a), None);
        let c = add(&mut table, "c");
        assert_eq!(c.place(), a.place(), "places are used again");
        assert_ne!(c, a, "numbers are not");
        assert_eq!((table.find(a).copied(), table.find(c).copied()), (None, Some("c")));
        assert_eq!(table.numbers(|_| true), [c, b]);
        assert_eq!(table.numbers(|item| *item == "b"), [b]);
        table.remove(b);
        assert!(!table.is_empty());
        table.remove(c);
        assert!(table.is_empty() && table.numbers(|_| true).is_empty());
    }

    #[test]
    fn a_connection_that_cannot_be_made_leaves_its_place() {
        let mut table: Table<u8> = Table::new();
        assert_eq!(table.add(|_| Err("no")), Err("no"));
        assert!(table.is_empty());
        let number = table.add(|_| Ok::<_, ()>(1)).unwrap();
        assert_eq!((number.place(), table.find(number)), (0, Some(&mut 1)));
    }

    #[test]
    fn generations_begin_anew_without_the_zero() {
        let mut table: Table<u8> = Table::new();
        let number = table.add(|_| Ok::<_, ()>(1)).unwrap();
        table.remove(number);
        table.places[0].generation = u32::MAX;
        let last = table.add(|_| Ok::<_, ()>(2)).unwrap();
        table.remove(last);
        let number = table.add(|_| Ok::<_, ()>(3)).unwrap();
        assert_eq!(number.generation(), 1);
    }
}
