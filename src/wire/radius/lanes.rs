//! MD5 (RFC 1321) of several messages at a time, each in a lane of vector instructions.
//!
//! A digest by itself mostly waits: each of its 64 steps needs the one before. RADIUS takes seven blocks for a login, and of
//! logins many come together.

use wide::u32x8;
use zeroize::{DefaultIsZeroes, Zeroize};

const LANES: usize = 8;
/// Octets of a block.
pub(super) const BLOCK: usize = 64;
/// The words of a state in all lanes, and those of a block.
type States = [u32x8; 4];
type Blocks = [u32x8; 16];

/// A digest's state after whole blocks. Of a secret it is one too.
#[derive(Clone, Copy, Default)]
pub(super) struct State {
    words: [u32; 4],
    /// Octets so far.
    length: u64,
}

impl DefaultIsZeroes for State {}

impl State {
    /// Before the first block.
    pub(super) const START: Self =
        Self { words: [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476], length: 0 };

    /// After these blocks.
    pub(super) fn after(self, blocks: &[[u8; BLOCK]]) -> Self {
        let mut words = self.words;
        md5::block_api::compress(&mut words, blocks);
        Self { words, length: self.length + (blocks.len() * BLOCK) as u64 }
    }

    fn digest(self) -> [u8; 16] {
        let mut digest = [0; 16];
        for (place, word) in digest.chunks_exact_mut(4).zip(self.words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        digest
    }
}

/// A message as it is digested, padded.
struct Message {
    from: State,
    blocks: usize,
}

/// Messages that are digested together. They are wiped then; their digests by [`Messages::wipe`].
#[derive(Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
    each: Vec<Message>,
    digests: Vec<[u8; 16]>,
}

impl Messages {
    /// Adds one, in parts, which comes after `from`.
    pub(super) fn push(&mut self, from: State, parts: &[&[u8]]) {
        let begin = self.bytes.len();
        parts.iter().for_each(|part| self.bytes.extend_from_slice(part));
        let length = self.bytes.len() - begin;
        self.bytes.push(0x80);
        let padded = (length + 9).next_multiple_of(BLOCK);
        self.bytes.resize(begin + padded - 8, 0);
        let bits = (from.length + length as u64).wrapping_mul(8);
        self.bytes.extend_from_slice(&bits.to_le_bytes());
        self.each.push(Message { from, blocks: padded / BLOCK });
    }

    /// The digests of all, in their order; there are no messages then.
    pub(super) fn digest(&mut self) -> &[[u8; 16]] {
        let Self { bytes, each, digests } = self;
        digests.clear();
        let mut rest = bytes.as_slice();
        for group in each.chunks(LANES) {
            let mut lanes: [&[[u8; BLOCK]]; LANES] = [&[]; LANES];
            for (lane, message) in lanes.iter_mut().zip(group) {
                let (of_message, after) = rest.split_at_checked(message.blocks * BLOCK).unwrap_or_default();
                (*lane, rest) = (of_message.as_chunks().0, after);
            }
            let ends = if pays(&lanes) { together(group, lanes) } else { one_by_one(group, lanes) };
            digests.extend(ends.iter().take(group.len()).map(|end| end.digest()));
        }
        // In large steps, not octet by octet; looked at, so that it is done.
        bytes.fill(0);
        std::hint::black_box(bytes.as_slice());
        bytes.clear();
        each.iter_mut().for_each(|message| message.from.zeroize());
        each.clear();
        digests
    }

    /// The digest of the first.
    pub(super) fn digest_one(&mut self) -> [u8; 16] {
        self.digest().first().copied().unwrap_or_default()
    }

    /// Wipes the digests that were made last.
    pub(super) fn wipe(&mut self) {
        self.digests.iter_mut().for_each(Zeroize::zeroize);
        self.digests.clear();
    }
}

/// Whether all lanes together take less time than one message after the other: a block in all of them takes as long as one and a half alone.
fn pays(lanes: &[&[[u8; BLOCK]]; LANES]) -> bool {
    let (longest, all) =
        lanes.iter().fold((0, 0), |(longest, all), lane| (lane.len().max(longest), all + lane.len()));
    all * 2 > longest * 3
}

/// The states in which messages end.
fn one_by_one(messages: &[Message], lanes: [&[[u8; BLOCK]]; LANES]) -> [State; LANES] {
    let mut ends = [State::START; LANES];
    for ((end, message), blocks) in ends.iter_mut().zip(messages).zip(lanes) {
        *end = message.from.after(blocks);
    }
    ends
}

/// The same, by all lanes at once.
fn together(messages: &[Message], lanes: [&[[u8; BLOCK]]; LANES]) -> [State; LANES] {
    let mut ends = [State::START; LANES];
    ends.iter_mut().zip(messages).for_each(|(end, message)| *end = message.from);
    let mut states: States = std::array::from_fn(|word| u32x8::new(ends.map(|end| end.words[word])));
    let longest = lanes.iter().map(|blocks| blocks.len()).max().unwrap_or_default();
    for at in 0..longest {
        let blocks = lanes.map(|blocks| blocks.get(at));
        let next = compress(states, words_of(&blocks.map(|block| block.unwrap_or(&[0; BLOCK]))));
        // A lane that has ended keeps its state.
        let goes_on = u32x8::new(blocks.map(|block| if block.is_some() { u32::MAX } else { 0 }));
        for (state, next) in states.iter_mut().zip(next) {
            *state = (next & goes_on) | (*state & !goes_on);
        }
    }
    for (word, state) in states.iter().enumerate() {
        for (end, value) in ends.iter_mut().zip(state.to_array()) {
            end.words[word] = value;
        }
    }
    ends
}

/// The words of a block in each lane.
fn words_of(blocks: &[&[u8; BLOCK]; LANES]) -> Blocks {
    let mut words = [[0; LANES]; 16];
    for (lane, block) in blocks.iter().enumerate() {
        let (of_block, _) = block.as_chunks::<4>();
        for (word, octets) in words.iter_mut().zip(of_block) {
            if let Some(place) = word.get_mut(lane) {
                *place = u32::from_le_bytes(*octets);
            }
        }
    }
    words.map(u32x8::new)
}

/// What is added in each step: the integer part of 2³² times the sine of its number, from 1 (RFC 1321 §3.4).
#[rustfmt::skip]
const SINES: [u32; 64] = [
    0xd76a_a478, 0xe8c7_b756, 0x2420_70db, 0xc1bd_ceee, 0xf57c_0faf, 0x4787_c62a, 0xa830_4613, 0xfd46_9501,
    0x6980_98d8, 0x8b44_f7af, 0xffff_5bb1, 0x895c_d7be, 0x6b90_1122, 0xfd98_7193, 0xa679_438e, 0x49b4_0821,
    0xf61e_2562, 0xc040_b340, 0x265e_5a51, 0xe9b6_c7aa, 0xd62f_105d, 0x0244_1453, 0xd8a1_e681, 0xe7d3_fbc8,
    0x21e1_cde6, 0xc337_07d6, 0xf4d5_0d87, 0x455a_14ed, 0xa9e3_e905, 0xfcef_a3f8, 0x676f_02d9, 0x8d2a_4c8a,
    0xfffa_3942, 0x8771_f681, 0x6d9d_6122, 0xfde5_380c, 0xa4be_ea44, 0x4bde_cfa9, 0xf6bb_4b60, 0xbebf_bc70,
    0x289b_7ec6, 0xeaa1_27fa, 0xd4ef_3085, 0x0488_1d05, 0xd9d4_d039, 0xe6db_99e5, 0x1fa2_7cf8, 0xc4ac_5665,
    0xf429_2244, 0x432a_ff97, 0xab94_23a7, 0xfc93_a039, 0x655b_59c3, 0x8f0c_cc92, 0xffef_f47d, 0x8584_5dd1,
    0x6fa8_7e4f, 0xfe2c_e6e0, 0xa301_4314, 0x4e08_11a1, 0xf753_7e82, 0xbd3a_f235, 0x2ad7_d2bb, 0xeb86_d391,
];

/// One block in each lane.
fn compress(before: States, words: Blocks) -> States {
    let states = round::<0>(before, &words, (1, 0), [7, 12, 17, 22]);
    let states = round::<1>(states, &words, (5, 1), [5, 9, 14, 20]);
    let states = round::<2>(states, &words, (3, 5), [4, 11, 16, 23]);
    let [a, b, c, d] = round::<3>(states, &words, (7, 0), [6, 10, 15, 21]);
    let [e, f, g, h] = before;
    [a + e, b + f, c + g, d + h]
}

/// Sixteen steps: the word of each is found by a factor and a summand.
#[inline(always)]
fn round<const ROUND: usize>(
    [mut a, mut b, mut c, mut d]: States,
    words: &Blocks,
    (factor, summand): (usize, usize),
    [s, t, u, v]: [u32; 4],
) -> States {
    for at in [0, 4, 8, 12] {
        // Both are within their bounds.
        let word = |step: usize| {
            words[((at + step) * factor + summand) % 16] + u32x8::splat(SINES[ROUND * 16 + at + step])
        };
        a = step::<ROUND>([a, b, c, d], word(0), s);
        d = step::<ROUND>([d, a, b, c], word(1), t);
        c = step::<ROUND>([c, d, a, b], word(2), u);
        b = step::<ROUND>([b, c, d, a], word(3), v);
    }
    [a, b, c, d]
}

#[inline(always)]
fn step<const ROUND: usize>([a, b, c, d]: States, word: u32x8, turn: u32) -> u32x8 {
    let mixed = match ROUND {
        0 => d ^ (b & (c ^ d)),
        1 => c ^ (d & (b ^ c)),
        2 => b ^ c ^ d,
        _ => c ^ (b | !d),
    };
    let sum = a + mixed + word;
    ((sum << turn) | (sum >> (32 - turn))) + b
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::{Digest, Md5};

    fn bytes(length: usize, seed: usize) -> Vec<u8> {
        (0..length).map(|at| (at * 31 + seed * 7 + at / 64) as u8).collect()
    }

    #[test]
    fn digests_are_those_of_rfc_1321() {
        let mut messages = Messages::default();
        let texts = ["", "a", "abc", "message digest", "abcdefghijklmnopqrstuvwxyz"];
        texts.iter().for_each(|text| messages.push(State::START, &[text.as_bytes()]));
        let digests = messages.digest().iter().map(|digest| data_encoding::HEXLOWER.encode(digest));
        let expected = [
            "d41d8cd98f00b204e9800998ecf8427e",
            "0cc175b9c0f1b6a831c399e269772661",
            "900150983cd24fb0d6963f7d28e17f72",
            "f96b697d7cb7938d525a2f31aaf161d0",
            "c3fcd3d76192e4007dfb496cca67e13b",
        ];
        assert_eq!(digests.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn lanes_are_taken_where_they_pay() {
        let block = [[0; BLOCK]; 9];
        let lanes =
            |lengths: &[usize]| std::array::from_fn(|at| &block[..lengths.get(at).copied().unwrap_or(0)]);
        assert!(!pays(&lanes(&[1])) && !pays(&lanes(&[9, 1, 1, 1, 1])));
        assert!(pays(&lanes(&[1, 1])) && pays(&lanes(&[9, 9])) && pays(&lanes(&[9, 1, 1, 1, 1, 1])));
    }

    /// Lengths around the ends of blocks, and many at once of which each has another.
    #[test]
    fn digests_are_those_of_the_library_whatever_lies_beside_them() {
        let mut messages = Messages::default();
        for count in [1, 2, 7, 8, 9, 40] {
            let all: Vec<_> = (0..count).map(|at| bytes((at * 53 + count) % 300, at)).collect();
            all.iter().for_each(|message| {
                let (one, other) = message.split_at(message.len() / 3);
                messages.push(State::START, &[one, &[], other]);
            });
            let expected: Vec<[u8; 16]> = all.iter().map(|message| Md5::digest(message).into()).collect();
            assert_eq!(messages.digest(), expected);
        }
        for length in 0..=200 {
            let message = bytes(length, 3);
            messages.push(State::START, &[&message]);
            assert_eq!(messages.digest(), [<[u8; 16]>::from(Md5::digest(&message))], "{length}");
        }
        assert!(messages.digest().is_empty());
    }

    #[test]
    fn message_goes_on_from_where_another_ended() {
        let (first, rest) = ([7; BLOCK], bytes(100, 1));
        let mut messages = Messages::default();
        messages.push(State::START.after(&[first]), &[&rest]);
        messages.push(State::START.after(&[first; 2]), &[&rest]);
        let expected = |before: &[u8]| <[u8; 16]>::from(Md5::digest([before, &rest].concat()));
        assert_eq!(messages.digest(), [expected(&first), expected(&first.repeat(2))]);
    }
}
