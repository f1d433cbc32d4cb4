#include <tandem/errors/code_journal.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <tandem/errors/layer.hpp>
#include <tandem/errors/short_code.hpp>

namespace tandem {
namespace {

using std::chrono::milliseconds;
using time_of_day = std::chrono::system_clock::time_point;

// 2024-05-01T12:00:00Z, and on by what a test says.
struct hand_clock {
  time_of_day now = time_of_day(std::chrono::seconds(1'714'564'800));

  journal_options options(std::size_t capacity) {
    journal_options made;
    made.capacity = capacity;
    made.now = [this] { return now; };
    return made;
  }
};

error numbered(int number) { return make_error(errc::internal, fmt::format("error {}", number)); }

std::vector<std::string> codes_of(const code_journal& journal) {
  std::vector<std::string> codes;
  for (const code_entry& entry : journal.snapshot()) codes.push_back(entry.code);
  return codes;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(CodeJournal, FindsAnErrorByTheCodeAsItIsTyped) {
  code_journal journal;
  const error e = make_error(errc::permission_denied, "Access denied for user 'db_user'@'127.0.0.1'");
  EXPECT_EQ(journal.record(e), "30EV");
  for (const char* typed : {"30EV", "3oev"}) {
    const auto entry = journal.find(typed);
    ASSERT_TRUE(entry.has_value()) << typed;
    EXPECT_EQ(entry->code, "30EV");
    EXPECT_EQ(entry->latest, e);
    EXPECT_FALSE(entry->shortened);
  }
  EXPECT_FALSE(journal.find("30EW").has_value());
  EXPECT_FALSE(journal.find("no code").has_value());
}

TEST(CodeJournal, KeepsTheLatestErrorOfACodeAndCounts) {
  const kind no_such_user("shop.no_such_user", errc::not_found);
  hand_clock clock;
  code_journal journal(clock.options(4));
  const time_of_day start = clock.now;
  journal.record(make_error(no_such_user, "no user 7"));
  clock.now += milliseconds(5);
  journal.record(make_error(no_such_user, "no user 8"));
  const auto entry = journal.find("9F96");
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->latest.message(), "no user 8");
  EXPECT_EQ(entry->count, 2u);
  EXPECT_EQ(entry->first_seen, start);
  EXPECT_EQ(entry->last_seen, start + milliseconds(5));
}

TEST(CodeJournal, DoesNotLetAReceivedErrorPushOutWhatHappenedHere) {
  code_journal journal;
  const std::string code = journal.record(make_error(errc::internal, "the real problem"));
  layer_data claim;
  claim.message = "innocent";
  claim.received = "bytes";
  claim.short_code = code;
  EXPECT_EQ(journal.record(add_layer(error(), claim)), code);
  const auto entry = journal.find(code);
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->latest.message(), "the real problem");
  EXPECT_EQ(entry->count, 2u);
}

TEST(CodeJournal, LetsGoOfTheCodeNotSeenForLongest) {
  code_journal journal({.capacity = 3, .now = {}});
  const std::string one = journal.record(numbered(1));
  const std::string two = journal.record(numbered(2));
  const std::string three = journal.record(numbered(3));
  journal.record(numbered(1));
  const std::string four = journal.record(numbered(4));
  EXPECT_EQ(codes_of(journal), (std::vector{four, one, three}));
  EXPECT_EQ(journal.evicted(), 1u);
  EXPECT_FALSE(journal.find(two).has_value());

  journal.record(numbered(2));
  EXPECT_EQ(journal.find(two)->count, 1u);
  EXPECT_EQ(codes_of(journal), (std::vector{two, four, one}));
}

TEST(CodeJournal, OfCapacityZeroKeepsNothing) {
  code_journal journal({.capacity = 0, .now = {}});
  EXPECT_EQ(journal.record(make_error(errc::internal, "no such user")), "M8MQ");
  EXPECT_TRUE(journal.snapshot().empty());
}

TEST(CodeJournal, DoesNotEnterNoError) {
  code_journal journal;
  EXPECT_EQ(journal.record(error()), "");
  EXPECT_TRUE(journal.snapshot().empty());
}

TEST(CodeJournal, KeepsAHugeMessageShortened) {
  code_journal journal;
  const std::string code = journal.record(wrap(make_error(errc::data_loss, std::string(10 << 20, 'x')), "cannot read"));
  const auto entry = journal.find(code);
  ASSERT_TRUE(entry.has_value());
  EXPECT_TRUE(entry->shortened);
  EXPECT_EQ(entry->code, code);
  EXPECT_EQ(entry->latest.code(), errc::data_loss);
  EXPECT_TRUE(entry->latest.message().starts_with("cannot read: xxxxxxxx"));
  EXPECT_TRUE(contains(entry->latest.message(), "bytes cut"));
  EXPECT_TRUE(entry->latest.first_layer().next().has_stack());
  EXPECT_LE(journal.held_bytes(), 16u * 1024);
}

TEST(CodeJournal, KeepsTheEndsOfADeepChain) {
  error e = make_error(errc::not_found, "the root");
  for (int i = 0; i < 10'000; ++i) e = with_message(std::move(e), "in between");
  e = with_message(std::move(e), "the top");
  code_journal journal;
  const auto entry = journal.find(journal.record(e));
  ASSERT_TRUE(entry.has_value());
  EXPECT_TRUE(entry->shortened);
  EXPECT_EQ(entry->latest.code(), errc::not_found);
  const std::string message = entry->latest.message();
  EXPECT_TRUE(message.starts_with("the top: in between: ")) << message;
  EXPECT_TRUE(message.ends_with(": in between: the root")) << message;
  EXPECT_TRUE(contains(message, "layers left out)")) << message;
  EXPECT_LE(journal.held_bytes(), 16u * 1024);
}

TEST(CodeJournal, CountsTheCausesThatAWideJoinLosesWhenShortened) {
  std::vector<error> causes;
  for (int i = 0; i < 1000; ++i) causes.push_back(numbered(i));
  code_journal journal;
  const auto entry = journal.find(journal.record(join(std::move(causes))));
  ASSERT_TRUE(entry.has_value());
  EXPECT_EQ(entry->latest.message(), "[error 0; and 999 more]");
}

// Whatever an error is made of, a shortened one keeps to the limit.
TEST(CodeJournal, HoldsNoMoreThanItsOptionsSay) {
  const std::string large(20'000, 'x');
  const std::string wide = [] {
    std::string text;
    for (int i = 0; i < 10'000; ++i) text += "\u00e9";
    return text;
  }();
  for (const std::size_t limit : {0u, 4096u, 5000u, 16384u, 100'000u}) {
    journal_options options;
    options.max_entry_bytes = limit;
    for (const int layers : {1, 2, 3, 8, 9, 50}) {
      error e;
      for (int i = 0; i < layers; ++i) {
        layer_data data;
        data.message = wide;
        data.kind_key = data.file = data.function = data.node = large;
        data.fields.assign(20, error_field{large, wide, true});
        data.frames.assign(50, large);
        data.received = large;
        e = add_layer(std::move(e), std::move(data));
      }
      code_journal journal(options);
      journal.record(e);
      EXPECT_TRUE(journal.snapshot().at(0).shortened);
      EXPECT_LE(journal.held_bytes(), std::max<std::size_t>(limit, 4096)) << limit << ' ' << layers;
      EXPECT_GT(journal.held_bytes(), 0u);
    }
  }
}

TEST(CodeJournal, DropsAnErrorBeforeTheNextOfItsCodeIsOld) {
  code_journal journal;
  auto token = std::make_shared<int>(0);
  journal.record(with_payload(make_error(errc::internal, "same"), token));
  EXPECT_EQ(token.use_count(), 2);
  journal.record(make_error(errc::internal, "same"));
  EXPECT_EQ(token.use_count(), 1);
}

// A payload whose destructor comes back to the journal, as one that reports errors does.
struct reporting_payload {
  explicit reporting_payload(code_journal& to) : journal(&to) {}
  reporting_payload(const reporting_payload&) = default;
  reporting_payload& operator=(const reporting_payload&) = default;
  ~reporting_payload() { (void)journal->find("0000"); }
  code_journal* journal;
};

TEST(CodeJournal, DestroysErrorsOutsideItsLock) {
  code_journal journal({.capacity = 1, .now = {}});
  journal.record(with_payload(numbered(1), reporting_payload(journal)));
  journal.record(with_payload(numbered(1), reporting_payload(journal)));
  journal.record(numbered(2));
  EXPECT_EQ(journal.snapshot().size(), 1u);
}

TEST(CodeJournal, LosesNoCountAmongThreads) {
  constexpr int each = 500;
  constexpr int codes = 8;
  code_journal journal;
  std::atomic<int> running{4};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < each; ++i) journal.record(numbered(i % codes));
      --running;
    });
  }
  do {
    (void)journal.find("30EV");
    EXPECT_LE(journal.snapshot().size(), std::size_t{codes});
  } while (running > 0);
  for (std::thread& t : threads) t.join();
  std::uint64_t sum = 0;
  for (const code_entry& entry : journal.snapshot()) sum += entry.count;
  EXPECT_EQ(sum, 4u * each);
}

TEST(CodeJournal, StaysWithinItsCapacityAmongThreads) {
  code_journal journal({.capacity = 5, .now = {}});
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&journal, t] {
      for (int i = 0; i < 200; ++i) journal.record(numbered(t * 1000 + i));
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(journal.snapshot().size(), 5u);
}

}  // namespace
}  // namespace tandem
