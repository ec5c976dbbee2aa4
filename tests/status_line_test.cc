#include "tools/status_line.h"

#include <gtest/gtest.h>

namespace fathom {
namespace {

using std::chrono::seconds;

TEST(StatusLine, SpeaksInTheWordsOfZmap) {
  const ScanProgress first{.start = Instant(seconds(1000)),
                           .now = Instant(seconds(1010)),
                           .planned = 100'000,
                           .sent = 10'000,
                           .replies = 2'500,
                           .interfaces = 900,
                           .links = 800,
                           .dropped = 0};
  EXPECT_EQ(FormatStatus(first, std::nullopt),
            "0:10 10% (1:30 left); send: 10000 1.00 Kp/s (1.00 Kp/s avg); "
            "recv: 2500 250p/s (250p/s avg); drops: 0 p/s (0 p/s avg); "
            "hitrate: 25.00%; new: 90 if/s, 80 links/s");

  ScanProgress second = first;
  second.now += seconds(1);
  second.sent += 3'000;
  second.replies += 1'000;
  second.interfaces += 5;
  second.dropped += 22;
  second.queue_dropped += 22;
  EXPECT_EQ(FormatStatus(second, first),
            "0:11 13% (1:13 left); send: 13000 3.00 Kp/s (1.18 Kp/s avg); "
            "recv: 3500 1.00 Kp/s (318p/s avg); drops: 22 p/s (2 p/s avg); "
            "hitrate: 26.92%; new: 5 if/s, 0 links/s; lost: 22 in our queues");
}

TEST(StatusLine, NamesEveryPlaceOfLoss) {
  const ScanProgress lossy{.start = Instant(seconds(1)),
                           .now = Instant(seconds(5)),
                           .dropped = 12,
                           .queue_dropped = 5,
                           .host_dropped = 7,
                           .unsent = 3,
                           .spool_lost = 2,
                           .slowed_to = 75'000};
  const std::string line = FormatStatus(lossy, std::nullopt);
  EXPECT_NE(line.find("; lost: 5 in our queues, 7 in the host, 3 unsent, "
                      "2 at the disk; slowed to 75.0 Kp/s"),
            std::string::npos)
      << line;
}

TEST(StatusLine, SurvivesAScanThatHasJustBegun) {
  const ScanProgress nothing{};
  EXPECT_NE(FormatStatus(nothing, std::nullopt), "");
  EXPECT_NE(FormatStatus(nothing, nothing), "");
}

TEST(StatusLine, SaysThatItWaitsForLateReplies) {
  const ScanProgress waiting{.start = Instant(seconds(1)),
                             .now = Instant(seconds(5)),
                             .planned = 10,
                             .sent = 10,
                             .cooling_down = true};
  EXPECT_NE(FormatStatus(waiting, waiting).find("done sending"),
            std::string::npos);
}

}  // namespace
}  // namespace fathom
