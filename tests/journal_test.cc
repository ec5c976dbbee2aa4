// What a strategy was asked and told, written down and read back: over every
// strategy, after any part of the journal.

#include "src/engine/journal.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "fathom/registry.h"
#include "src/base/hash.h"
#include "src/engine/ask_again.h"

namespace fathom {
namespace {

using std::chrono::milliseconds;

const Instant kStart{std::chrono::seconds(1'700'000'000)};

TargetSet Targets(size_t count, Family family) {
  std::set<uint32_t> numbers;
  for (uint64_t i = 0; numbers.size() < count; ++i) {
    numbers.insert(static_cast<uint32_t>(Derive(5, i)));
  }
  if (family == Family::kIpv4) {
    return TargetSet(std::vector<uint32_t>(numbers.begin(), numbers.end()));
  }
  std::vector<IpAddress> addresses;
  for (const uint32_t number : numbers) {
    addresses.push_back(
        IpAddress::V6(0x2a00'0000'0000'0000 | uint64_t{number} << 16, 1));
  }
  return TargetSet(std::move(addresses));
}

// Chains of hashed routers, of which a fifth says nothing.
std::optional<Reply> AnswerTo(const Probe& probe, Instant now) {
  const uint64_t target = Mix(probe.target.high() ^ Mix(probe.target.low()));
  const uint64_t distance = 4 + target % 20;
  const uint32_t ttl = probe.ttl.value();
  Reply reply;
  reply.probe = probe;
  reply.rtt = milliseconds(10 * ttl) + Nanos(target % 1'000'000);
  reply.received = now + reply.rtt;
  if (ttl >= distance) {
    if (target % 2 == 0) return std::nullopt;
    reply.kind = ReplyKind::kDestination;
    reply.responder = probe.target;
    return reply;
  }
  const uint64_t branch = (target >> 20) >> (ttl < 20 ? 40 - 2 * ttl : 0);
  const uint64_t router = Derive(branch + probe.flow.value() % 2, ttl);
  if (router % 5 == 0) return std::nullopt;
  reply.icmp_type = 11;
  reply.responder = probe.target.family() == Family::kIpv4
                        ? IpAddress::V4(static_cast<uint32_t>(router >> 32))
                        : IpAddress::V6(router | 1, ttl);
  return reply;
}

// One call of a strategy: replies that it was told of, or what it was asked
// when, and what it said.
struct Call {
  std::vector<Reply> replies{};
  Instant now{};
  size_t room = 0;
  std::vector<Probe> probes{};
};

struct Subject {
  std::string name;
  std::string strategy;
  void (*refine)(StrategyOptions&);
  Family family = Family::kIpv4;
};

std::vector<Subject> Subjects() {
  const auto none = [](StrategyOptions&) {};
  std::vector<Subject> subjects;
  for (const StrategyModule& module : Register<StrategyModule>::All()) {
    std::string name = module.name;
    std::replace(name.begin(), name.end(), '-', '_');
    subjects.push_back({name, module.name, none});
    subjects.push_back({name + "_ipv6", module.name, none, Family::kIpv6});
  }
  subjects.push_back({"sweep_fill", "sweep", [](StrategyOptions& o) {
                        o.max_ttl = Ttl(8);
                        o.fill = Ttl(24);
                      }});
  subjects.push_back({"sweep_sparing", "sweep", [](StrategyOptions& o) {
                        o.neighborhood = Ttl(6);
                        o.router_pps = 300;
                      }});
  return subjects;
}

class JournalLaws : public testing::TestWithParam<Subject> {
 protected:
  std::unique_ptr<Strategy> Make() const {
    StrategyOptions options = {.max_ttl = Ttl(24), .seed = 3};
    GetParam().refine(options);
    const auto module = Register<StrategyModule>::Find(GetParam().strategy);
    return *module->make(targets_, options);
  }

  std::unique_ptr<Journal> MakeJournal() {
    return std::make_unique<Journal>(
        Make(),
        Journal::Options{.origin = kStart,
                         .write =
                             [this](Instant, std::vector<std::byte> segment) {
                               segments_.push_back(std::move(segment));
                               ends_.push_back(calls_.size());
                             },
                         .heard_until = [] { return kStart; }});
  }

  // Runs a scan for `most` calls, through a journal.
  void Run(size_t most) {
    const auto journal = MakeJournal();
    journal->Begin(kStart, {});
    std::mt19937_64 random(1);
    std::multimap<Instant, Reply> replies;
    Instant now = kStart;
    uint64_t sent = 0;
    std::vector<Probe> room(64);
    while (calls_.size() < most && !journal->done()) {
      const Nanos guard = journal->Tend(now, sent, 0);
      if (guard > Nanos(0)) {
        now += guard;
        continue;
      }
      Call heard;
      while (!replies.empty() && replies.begin()->first <= now) {
        heard.replies.push_back(replies.begin()->second);
        replies.erase(replies.begin());
      }
      journal->Observe(heard.replies);
      if (!heard.replies.empty()) calls_.push_back(std::move(heard));
      Call asked{.now = now, .room = random() % (room.size() + 1)};
      const size_t made = journal->Next(now, std::span(room).first(asked.room));
      asked.probes.assign(room.begin(),
                          room.begin() + static_cast<ptrdiff_t>(made));
      for (const Probe& probe : asked.probes) {
        if (const auto reply = AnswerTo(probe, now)) {
          replies.emplace(reply->received, *reply);
        }
      }
      calls_.push_back(std::move(asked));
      sent += made;
      now += made > 0 ? Nanos(100'000 * made) : Nanos(milliseconds(20));
    }
    journal->Finish(now, sent, 0);
  }

  // Whether a strategy that is told and asked the same from `first` on says the
  // same.
  void ExpectSame(Strategy& strategy, size_t first) {
    std::vector<Probe> room(64);
    for (size_t i = first; i < calls_.size(); ++i) {
      const Call& call = calls_[i];
      if (!call.replies.empty()) {
        strategy.Observe(call.replies);
        continue;
      }
      const size_t made =
          strategy.Next(call.now, std::span(room).first(call.room));
      ASSERT_EQ(made, call.probes.size()) << "call " << i;
      ASSERT_TRUE(
          std::equal(call.probes.begin(), call.probes.end(), room.begin()))
          << "call " << i;
    }
  }

  const TargetSet targets_ = Targets(400, GetParam().family);
  std::vector<Call> calls_;
  std::vector<std::vector<std::byte>> segments_;
  std::vector<size_t> ends_;  // How many calls each segment ends after.
};

// The law that resuming rests on.
TEST_P(JournalLaws, AnyPrefixReplayedGoesOnAsTheStrategyDid) {
  Run(4'000);
  ASSERT_GE(segments_.size(), 1U);
  const bool observes = Make()->observes();
  for (size_t prefix = 0; prefix <= segments_.size(); ++prefix) {
    SCOPED_TRACE(testing::Message() << prefix << " of " << segments_.size());
    Journal restored(Make(), {.origin = kStart,
                              .write = [](Instant, std::vector<std::byte>) {},
                              .heard_until = [] { return kStart; }});
    for (size_t i = observes || prefix == 0 ? 0 : prefix - 1; i < prefix; ++i) {
      const auto replayed = restored.Replay(segments_[i]);
      ASSERT_TRUE(replayed.ok()) << replayed;
    }
    // Its clock goes on from the last call.
    const size_t first = prefix == 0 ? 0 : ends_[prefix - 1];
    Instant last = kStart;
    for (size_t i = 0; i < first; ++i) {
      if (calls_[i].replies.empty()) last = calls_[i].now;
    }
    restored.Begin(last, {});
    ExpectSame(restored, first);
  }
}

// Several runs, each of which goes on from what those before it have written.
TEST_P(JournalLaws, ARestoredJournalIsWrittenOn) {
  Run(1'000);
  if (!Make()->observes()) return;
  const std::vector<std::vector<std::byte>> first = segments_;
  const std::vector<Call> before = calls_;
  auto second = MakeJournal();
  for (const auto& segment : first) ASSERT_TRUE(second->Replay(segment).ok());
  // A pause of a day, and a reply that came too late for the first run.
  const Instant later = kStart + std::chrono::hours(24);
  Reply late = *AnswerTo({targets_[1], Ttl(3), FlowId(0)}, kStart);
  second->Begin(later, {&late, 1});
  std::vector<Probe> room(16), again(16);
  std::vector<size_t> made;
  for (int i = 0; i < 50; ++i) {
    made.push_back(second->Next(later + i * milliseconds(100), room));
  }
  second->Finish(later + std::chrono::seconds(5), 1, 0);
  Journal third(Make(), {.origin = kStart,
                         .write = [](Instant, std::vector<std::byte>) {},
                         .heard_until = [] { return kStart; }});
  for (const auto& segment : segments_) {
    const auto replayed = third.Replay(segment);
    ASSERT_TRUE(replayed.ok()) << replayed;
  }
  const Instant last = later + std::chrono::hours(1);
  second->Begin(last, {});
  third.Begin(last, {});
  for (int i = 0; i < 200; ++i) {
    const Instant now = last + i * milliseconds(50);
    const size_t count = second->Next(now, room);
    ASSERT_EQ(third.Next(now, again), count);
    ASSERT_TRUE(std::equal(room.begin(),
                           room.begin() + static_cast<ptrdiff_t>(count),
                           again.begin()));
  }
}

// What the engine journals of such strategies is only how far they are.
TEST_P(JournalLaws, WhoHearsNothingSaysTheSameHoweverItIsAsked) {
  if (Make()->observes()) return;
  Run(2'000);
  std::vector<Probe> said;
  for (const Call& call : calls_) {
    said.insert(said.end(), call.probes.begin(), call.probes.end());
  }
  const auto other = Make();
  std::vector<Probe> room(1000);
  std::vector<Probe> all;
  for (Instant now; all.size() < said.size(); now += kTurn) {
    const size_t made = other->Next(now, room);
    all.insert(all.end(), room.begin(),
               room.begin() + static_cast<ptrdiff_t>(made));
  }
  all.resize(said.size());
  EXPECT_TRUE(all == said);
}

TEST_P(JournalLaws, DamagedSegmentsAreRefusedOrHarmless) {
  Run(600);
  ASSERT_FALSE(segments_.empty());
  const std::vector<std::byte>& good = segments_.front();
  const auto replay = [&](const std::vector<std::byte>& bytes) {
    Journal journal(Make(), {.origin = kStart,
                             .write = [](Instant, std::vector<std::byte>) {},
                             .heard_until = [] { return kStart; }});
    return journal.Replay(bytes);
  };
  ASSERT_TRUE(replay(good).ok());
  const size_t step = std::max<size_t>(1, good.size() / 300);
  for (size_t at = 0; at < good.size(); at += step) {
    const std::vector<std::byte> cut(good.begin(),
                                     good.begin() + static_cast<ptrdiff_t>(at));
    if (Make()->observes() || at < sizeof(SegmentHead)) {
      EXPECT_FALSE(replay(cut).ok()) << at;
    }
    std::vector<std::byte> flipped = good;
    flipped[at] ^= std::byte{4};
    (void)replay(flipped);
    (void)RepliesIn(flipped);
  }
  if (Make()->observes() && segments_.size() > 1) {
    EXPECT_FALSE(replay(segments_[1]).ok()) << "the first is missing";
  }
}

INSTANTIATE_TEST_SUITE_P(All, JournalLaws, testing::ValuesIn(Subjects()),
                         [](const testing::TestParamInfo<Subject>& info) {
                           return info.param.name;
                         });

// The second look's strategy waits between its rounds.
TEST(Journal, TakesTheSecondLookToWhereItWas) {
  Questions questions;
  for (uint32_t i = 0; i < 500; ++i) {
    questions.Add({IpAddress::V4(i / 3), Ttl(static_cast<uint8_t>(i % 3 + 1)),
                   FlowId(0)});
  }
  std::vector<Probe> all;
  AskAgain whole(questions, 3, 9);
  std::vector<Probe> room(7);
  for (Instant now; !whole.done(); now += milliseconds(5)) {
    const size_t made = whole.Next(now, room);
    all.insert(all.end(), room.begin(),
               room.begin() + static_cast<ptrdiff_t>(made));
  }
  ASSERT_EQ(all.size(), 1500U);
  for (const uint64_t position : {0, 1, 499, 500, 501, 1100, 1500}) {
    SegmentHead head;
    head.position = position;
    std::vector<std::byte> segment(sizeof head);
    std::memcpy(segment.data(), &head, sizeof head);
    Journal journal(std::make_unique<AskAgain>(questions, 3, 9),
                    {.origin = kStart,
                     .write = [](Instant, std::vector<std::byte>) {},
                     .heard_until = [] { return kStart; }});
    const auto replayed = journal.Replay(segment);
    ASSERT_TRUE(replayed.ok()) << replayed;
    journal.Begin(kStart, {});
    std::vector<Probe> rest;
    for (Instant now = kStart; !journal.done(); now += milliseconds(5)) {
      const size_t made = journal.Next(now, room);
      rest.insert(rest.end(), room.begin(),
                  room.begin() + static_cast<ptrdiff_t>(made));
    }
    ASSERT_EQ(rest.size(), all.size() - position);
    EXPECT_TRUE(std::equal(rest.begin(), rest.end(),
                           all.begin() + static_cast<ptrdiff_t>(position)));
  }
}

}  // namespace
}  // namespace fathom
