#include <tandem/sync/shared_mutex.hpp>

#include <memory>

#include <tandem/runtime/sleep.hpp>
#include <tandem/runtime/with_context.hpp>

#include "helpers.hpp"

namespace tandem::sync {
namespace {

using namespace std::chrono_literals;

static_assert(stays_where_it_is<shared_mutex>);
static_assert(only_moves<shared_mutex::guard> && only_moves<shared_mutex::shared_guard>);

using writing = attempt<shared_mutex::guard>;
using reading = attempt<shared_mutex::shared_guard>;

class SharedMutex : public ::testing::Test {
 protected:
  auto writes() {
    return [this] { return lock_.lock(); };
  }
  auto reads() {
    return [this] { return lock_.lock_shared(); };
  }
  shared_mutex lock_;
  testing::sim_runtime sim_;  // after it: ends what is left
};

TEST_F(SharedMutex, IsHeldByReadersOrByOneWriter) {
  struct {
    shared_mutex lock;
    int readers = 0, writers = 0, most_readers = 0, turns = 0;
  } room;
  auto read = [](decltype(room)& r) -> task<> {
    for (int i = 0; i < 5; ++i) {
      const auto held = co_await r.lock.lock_shared();
      r.most_readers = std::max(r.most_readers, ++r.readers);
      EXPECT_EQ(r.writers, 0);
      (void)co_await sleep_for(1us);
      --r.readers;
      ++r.turns;
    }
  };
  auto write = [](decltype(room)& r) -> task<> {
    for (int i = 0; i < 5; ++i) {
      const auto held = co_await r.lock.lock();
      EXPECT_EQ(++r.writers, 1);
      EXPECT_EQ(r.readers, 0);
      (void)co_await sleep_for(1us);
      --r.writers;
      ++r.turns;
    }
  };
  for (int i = 0; i < 4; ++i) sim_.spawn(read(room)).disown();
  for (int i = 0; i < 2; ++i) sim_.spawn(write(room)).disown();
  sim_.run_to_end();
  EXPECT_EQ(room.turns, 30);
  EXPECT_EQ(room.most_readers, 4);
}

TEST_F(SharedMutex, AWriterThatWaitsLetsNoLaterReaderPass) {
  reading first(sim_, reads());
  sim_.run_until_idle();
  ASSERT_TRUE(first.succeeded());
  writing writer(sim_, writes());
  sim_.run_until_idle();
  reading later(sim_, reads());
  sim_.run_until_idle();
  EXPECT_TRUE(writer.waits() && later.waits());
  EXPECT_EQ(lock_.try_lock_shared().error().code(), errc::would_block);
  first.drop();
  sim_.run_until_idle();
  EXPECT_TRUE(writer.succeeded() && later.waits());
  writer.drop();
  sim_.run_until_idle();
  EXPECT_TRUE(later.succeeded());
}

TEST_F(SharedMutex, ReadersThatWaitOneAfterTheOtherGetItTogether) {
  writing first(sim_, writes());
  sim_.run_until_idle();
  reading a(sim_, reads());
  sim_.run_until_idle();
  reading b(sim_, reads());
  sim_.run_until_idle();
  writing second(sim_, writes());
  sim_.run_until_idle();
  reading c(sim_, reads());
  sim_.run_until_idle();
  first.drop();
  sim_.run_until_idle();
  EXPECT_TRUE(a.succeeded() && b.succeeded() && second.waits() && c.waits());
  a.drop();
  sim_.run_until_idle();
  EXPECT_TRUE(second.waits());
  b.drop();
  sim_.run_until_idle();
  EXPECT_TRUE(second.succeeded() && c.waits());
}

TEST_F(SharedMutex, AWriterThatGivesUpLetsTheReadersBehindItPass) {
  const auto held = lock_.try_lock_shared();
  const cancel_source source(sim_.root_context());
  writing writer(sim_, writes(), source.context());
  sim_.run_until_idle();
  reading behind(sim_, reads());
  sim_.run_until_idle();
  ASSERT_TRUE(writer.waits() && behind.waits());
  source.cancel();
  sim_.run_until_idle();
  EXPECT_EQ(writer.code(), errc::cancelled);
  EXPECT_TRUE(behind.succeeded());

  writing limited(sim_, [this] { return lock_.lock_for(1s); });
  sim_.run_until_idle();
  reading last(sim_, reads());
  sim_.run_until_idle();
  ASSERT_TRUE(limited.waits() && last.waits());
  sim_.advance(1s);
  EXPECT_EQ(limited.code(), errc::timed_out);
  EXPECT_TRUE(last.succeeded());
}

TEST_F(SharedMutex, TryFormsTakeItOnlyIfItIsFree) {
  {
    const auto writer = lock_.try_lock();
    ASSERT_TRUE(writer.has_value());
    EXPECT_EQ(lock_.try_lock().error().code(), errc::would_block);
    EXPECT_EQ(lock_.try_lock_shared().error().code(), errc::would_block);
  }
  const auto a = lock_.try_lock_shared(), b = lock_.try_lock_shared();
  EXPECT_TRUE(a.has_value() && b.has_value());
  EXPECT_EQ(lock_.try_lock().error().code(), errc::would_block);
}

TEST_F(SharedMutex, TimedFormsGiveUpAtTheirLimitNotBefore) {
  const auto held = lock_.try_lock();
  writing w1(sim_, [this] { return lock_.lock_for(1s); });
  writing w2(sim_, [this] { return lock_.lock_until(sim_.now() + 1s); });
  reading r1(sim_, [this] { return lock_.lock_shared_for(1s); });
  reading r2(sim_, [this] { return lock_.lock_shared_until(sim_.now() + 1s); });
  sim_.advance(1s - 1ns);
  ASSERT_TRUE(w1.waits() && w2.waits() && r1.waits() && r2.waits());
  sim_.advance(1ns);
  EXPECT_EQ(w1.code(), errc::timed_out);
  EXPECT_EQ(w2.code(), errc::timed_out);
  EXPECT_EQ(r1.code(), errc::timed_out);
  EXPECT_EQ(r2.code(), errc::timed_out);
}

TEST_F(SharedMutex, WithoutTimeLeftItIsTakenOnlyIfItIsFree) {
  for (const duration limit : {0ns, -1ns, duration::min()}) {
    reading r(sim_, [&] { return lock_.lock_shared_for(limit); });
    sim_.run_until_idle();
    ASSERT_TRUE(r.succeeded());
    writing w(sim_, [&] { return lock_.lock_for(limit); });
    sim_.run_until_idle();
    EXPECT_EQ(w.code(), errc::timed_out);
    r.drop();
    writing free(sim_, [&] { return lock_.lock_for(limit); });
    sim_.run_until_idle();
    EXPECT_TRUE(free.succeeded());
  }
}

TEST_F(SharedMutex, ThatIsFreeMayBeTakenInAContextThatIsOver) {
  const cancel_source source(sim_.root_context());
  source.cancel();
  reading there(sim_, reads(), source.context());
  sim_.run_until_idle();
  EXPECT_TRUE(there.succeeded());
  writing taken(sim_, writes(), source.context());
  sim_.run_until_idle();
  EXPECT_EQ(taken.code(), errc::cancelled);
}

TEST_F(SharedMutex, ReportsTellReadersFromWriters) {
  const auto held = lock_.try_lock();
  auto read = [](shared_mutex& m) -> task<> { (void)co_await m.lock_shared(); };
  auto write = [](shared_mutex& m) -> task<> { (void)co_await m.lock(); };
  EXPECT_NE(sim_.run(read(lock_)).error().message().find("waiting for a shared mutex, to read"), std::string::npos);
  EXPECT_NE(sim_.run(write(lock_)).error().message().find("waiting for a shared mutex, to write"), std::string::npos);
}

TEST_F(SharedMutex, UnlockingWhatIsNotLockedIsRefused) {
  expect_refused([this] { lock_.unlock(); }, "unlock of a shared mutex, by a writer, that is not locked");
  expect_refused([this] { lock_.unlock_shared(); }, "unlock of a shared mutex, by a reader, that is not locked");
  auto reader = lock_.try_lock_shared();
  expect_refused([this] { lock_.unlock(); }, "by a writer");
  reader->unlock();
  expect_refused([&] { reader->unlock(); }, "unlock of a shared_guard that is not locked");
  auto writer = lock_.try_lock();
  expect_refused([this] { lock_.unlock_shared(); }, "by a reader");
  EXPECT_EQ(lock_.try_lock_shared().error().code(), errc::would_block);
  writer->unlock();
  EXPECT_TRUE(lock_.try_lock().has_value());
}

TEST_F(SharedMutex, SharedGuardLetsGoOnce) {
  auto held = std::move(lock_.try_lock_shared().value());
  shared_mutex::shared_guard moved(std::move(held));
  EXPECT_FALSE(held.holds() || held);
  EXPECT_TRUE(moved.holds() && moved);
  EXPECT_EQ(moved.release(), &lock_);
  EXPECT_EQ(moved.release(), nullptr);
  { const shared_mutex::shared_guard adopted(lock_); }
  EXPECT_TRUE(lock_.try_lock().has_value());
  held = std::move(lock_.try_lock_shared().value());
  held = shared_mutex::shared_guard();  // lets go
  EXPECT_TRUE(lock_.try_lock().has_value());
}

using SharedMutexDeathTest = SyncDeathTest;

TEST_F(SharedMutexDeathTest, DestroyedWhileATaskWaitsNamesTheTask) {
  auto destroy = [] {
    testing::sim_runtime sim;
    auto lock = std::make_unique<shared_mutex>();
    (void)lock->try_lock().value().release();
    reading waiting(sim, [&] { return lock->lock_shared(); }, "patient");
    sim.run_until_idle();
    lock.reset();
  };
  EXPECT_DEATH(destroy(), "what task 'patient' waits for was destroyed: a shared mutex, to read\\.");
}

}  // namespace
}  // namespace tandem::sync
