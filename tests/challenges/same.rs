//! Both backends answer a long random conversation the same way.

use super::world::{With as _, World, millis};
use doorward::base::{Random as _, SeededRandom};
use doorward::domain::method::Channel;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn backends_answer_a_random_conversation_alike() {
    let (memory, redis) = (World::memory(), World::redis());
    let seed = u64::from(std::process::id());
    eprintln!("seed {seed}");
    let random = SeededRandom::new(seed);
    let below = |most: u8| random.array::<1>()[0] % most;
    let mut now = millis(1000);
    let (mut states, mut codes) = (Vec::new(), Vec::new());
    let (mut joined, mut handed_out) = (0, 0);
    for step in 0..3000 {
        now = now + Duration::from_millis(u64::from(below(200)) * 30);
        match below(10) {
            0..=4 => {
                let mut challenge = memory.challenge(&memory.person(usize::from(below(3))), now);
                challenge.pending.expires = now + Duration::from_secs(u64::from(below(120)) + 1);
                if below(4) > 0 {
                    let channel = if below(4) > 0 { Channel::Sms } else { Channel::Email };
                    let mut code = memory.code(channel, if below(4) > 0 { "vpn" } else { "wifi" }, now);
                    code.code.expires = now + Duration::from_secs(u64::from(below(120)) + 1);
                    code.tries = below(4) + 1;
                    code.resend_after = Duration::from_secs(u64::from(below(60)));
                    codes.push((challenge.state, code.code.id));
                    challenge = challenge.with(code);
                }
                states.push(challenge.state);
                let expected = memory.open(challenge.clone(), now).await;
                joined += u32::from(matches!(expected, doorward::store::challenges::Opened::Joined(_)));
                assert_eq!(redis.open(challenge, now).await, expected, "{step}");
            }
            5..=8 if !states.is_empty() => {
                let back = usize::from(below(12)).min(states.len() - 1);
                let (state, attempt) = (states[states.len() - 1 - back], below(3) > 0);
                let expected = memory.take(&state, attempt, now).await;
                handed_out += u32::from(expected.as_ref().is_some_and(|taken| taken.code.is_some()));
                assert_eq!(redis.take(&state, attempt, now).await, expected, "{step}");
            }
            _ => {
                if let Some((state, code)) = codes.get(codes.len().saturating_sub(usize::from(below(4)) + 1))
                {
                    memory.void(state, *code).await;
                    redis.void(state, *code).await;
                }
            }
        }
    }
    // It was a conversation about something.
    assert!(joined > 50 && handed_out > 50, "{joined} {handed_out}");
}
