//! Inflating, bit by bit and by the book (RFC 1951), with an eye on how far references reach.

/// What was inflated, and the longest distance that was needed for it.
#[derive(Debug)]
pub(crate) struct Puffed {
    pub(crate) bytes: Vec<u8>,
    pub(crate) reach: usize,
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn bit(&mut self) -> Option<usize> {
        let bit = self.bytes.get(self.at / 8)? >> (self.at % 8) & 1;
        self.at += 1;
        Some(usize::from(bit))
    }

    fn number(&mut self, bits: u32) -> Option<usize> {
        let mut number = 0;
        for place in 0..bits {
            number |= self.bit()? << place;
        }
        Some(number)
    }
}

/// Canonical codes: how many symbols have each length, and the symbols in the order of their codes.
struct Codes {
    counts: [usize; 16],
    symbols: Vec<usize>,
}

impl Codes {
    fn new(lengths: &[usize]) -> Self {
        let mut counts = [0; 16];
        let mut symbols = Vec::new();
        for (length, count) in counts.iter_mut().enumerate().skip(1) {
            let before = symbols.len();
            symbols.extend((0..lengths.len()).filter(|symbol| lengths[*symbol] == length));
            *count = symbols.len() - before;
        }
        Self { counts, symbols }
    }

    fn symbol(&self, bits: &mut Bits<'_>) -> Option<usize> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for count in &self.counts[1..] {
            code |= bits.bit()?;
            if code < first + count {
                return Some(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) * 2;
            code *= 2;
        }
        None
    }
}

/// Inflates blocks until the last one, or until the bits end.
pub(crate) fn puff(packed: &[u8]) -> Puffed {
    let mut bits = Bits { bytes: packed, at: 0 };
    let mut out = Puffed {
        bytes: Vec::new(),
        reach: 0,
    };
    while bits.at < packed.len() * 8 {
        let last = bits.bit().expect("a block's first bit");
        match bits.number(2).expect("a block's kind") {
            0 => stored(&mut bits, &mut out),
            1 => {
                let lengths: Vec<usize> = (0..288)
                    .map(|symbol| match symbol {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                coded(&mut bits, &mut out, &Codes::new(&lengths), &Codes::new(&[5; 30]));
            }
            2 => {
                let (symbols, distances) = described(&mut bits).expect("a description of codes");
                coded(&mut bits, &mut out, &symbols, &distances);
            }
            kind => panic!("block of kind {kind}"),
        }
        if last == 1 {
            break;
        }
    }
    out
}

fn stored(bits: &mut Bits<'_>, out: &mut Puffed) {
    bits.at = bits.at.next_multiple_of(8);
    let length = bits.number(16).expect("a stored length");
    assert_eq!(bits.number(16).expect("its complement"), length ^ 0xffff);
    for _ in 0..length {
        out.bytes.push(bits.number(8).expect("a stored byte") as u8);
    }
}

fn described(bits: &mut Bits<'_>) -> Option<(Codes, Codes)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let symbols = bits.number(5)? + 257;
    let distances = bits.number(5)? + 1;
    let mut lengths = [0; 19];
    for place in &ORDER[..bits.number(4)? + 4] {
        lengths[*place] = bits.number(3)?;
    }
    let codes = Codes::new(&lengths);
    let mut lengths = Vec::new();
    while lengths.len() < symbols + distances {
        let (length, times) = match codes.symbol(bits)? {
            16 => (*lengths.last()?, bits.number(2)? + 3),
            17 => (0, bits.number(3)? + 3),
            18 => (0, bits.number(7)? + 11),
            length => (length, 1),
        };
        lengths.extend(std::iter::repeat_n(length, times));
    }
    Some((
        Codes::new(&lengths[..symbols]),
        Codes::new(&lengths[symbols..symbols + distances]),
    ))
}

fn coded(bits: &mut Bits<'_>, out: &mut Puffed, symbols: &Codes, distances: &Codes) {
    loop {
        match symbols.symbol(bits).expect("a symbol") {
            byte @ 0..256 => out.bytes.push(byte as u8),
            256 => return,
            code => {
                let length = length(code - 257, bits).expect("a length");
                let code = distances.symbol(bits).expect("a distance");
                let distance = distance(code, bits).expect("a distance's bits");
                assert!(distance <= out.bytes.len(), "before the beginning");
                out.reach = out.reach.max(distance);
                for _ in 0..length {
                    out.bytes.push(out.bytes[out.bytes.len() - distance]);
                }
            }
        }
    }
}

/// 3 to 258: eight codes without extra bits, then four for each number of them, and one for the longest.
fn length(code: usize, bits: &mut Bits<'_>) -> Option<usize> {
    match code {
        0..8 => Some(3 + code),
        28 => Some(258),
        _ => {
            let extra = (code / 4 - 1) as u32;
            Some(3 + ((4 + code % 4) << extra) + bits.number(extra)?)
        }
    }
}

/// 1 to 32,768: four codes without extra bits, then two for each number of them.
fn distance(code: usize, bits: &mut Bits<'_>) -> Option<usize> {
    match code {
        0..4 => Some(1 + code),
        _ => {
            let extra = (code / 2 - 1) as u32;
            Some(1 + ((2 + code % 2) << extra) + bits.number(extra)?)
        }
    }
}
