// CAF's local groups, and what actors print.
#include "stock_caf.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace tandem::actors {
namespace {

using namespace std::chrono_literals;

template <class Place>
class StockCafGroups : public caf_test<Place> {};
TYPED_TEST_SUITE(StockCafGroups, both_places, place_names);

TYPED_TEST(StockCafGroups, EveryMemberIsSentTo) {
  std::promise<int> box;
  const auto group = this->caf().groups().get_local("members");
  const auto sum = this->caf().spawn([&](caf::event_based_actor*) -> caf::behavior {
    return {[&, got = 0, total = 0](int n) mutable {
      total += n;
      if (++got == 5) box.set_value(total);
    }};
  });
  this->caf().spawn([=](caf::event_based_actor* self) {
    for (int i = 0; i < 5; ++i)
      self->spawn_in_group(group, [=](caf::event_based_actor* member) -> caf::behavior {
        return {[=](int n) {
          member->send(sum, n);
          member->quit();
        }};
      });
    self->send(group, 3);
  });
  EXPECT_EQ(this->get(box), 15);
}

TYPED_TEST(StockCafGroups, WhoLeavesIsNotSentToAnyMore) {
  std::promise<std::vector<int>> box;
  const auto group = this->caf().groups().get_local("leaving");
  const auto a = this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->join(group);
    return {[&, self, got = std::vector<int>()](int n) mutable {
      got.push_back(n);
      if (n == 1) self->leave(group);
      if (n == 3) box.set_value(got);
    }};
  });
  this->caf().spawn([=](caf::event_based_actor* self) -> caf::behavior {
    self->request(a, 10s, 0).then([=] {
      self->send(group, 1);
      self->request(a, 10s, 0).then([=] {
        self->send(group, 2);
        self->send(a, 3);
        self->quit();
      });
    });
    return {[](int) {}};
  });
  const auto got = this->get(box);
  EXPECT_EQ(std::count(got.begin(), got.end(), 1), 1);
  EXPECT_EQ(std::count(got.begin(), got.end(), 2), 0);
}

TYPED_TEST(StockCafGroups, ADelayedMessageReachesAGroup) {
  std::promise<int> box;
  const auto group = this->caf().groups().get_local("later");
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->join(group);
    self->delayed_send(group, 2ms, 7);
    return {[&, self](int n) {
      box.set_value(n);
      self->quit();
    }};
  });
  EXPECT_EQ(this->get(box), 7);
}

TYPED_TEST(StockCafGroups, AnonymousGroupsHaveMembersToo) {
  std::promise<int> box;
  const auto group = this->caf().groups().anonymous();
  this->caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->join(group);
    self->send(group, 4);
    return {[&, self](int n) {
      box.set_value(n);
      self->quit();
    }};
  });
  EXPECT_EQ(this->get(box), 4);
}

// What is printed: aout() and where it goes.

std::string contents(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

std::filesystem::path scratch_file(const char* name) {
  return std::filesystem::temp_directory_path() / (std::to_string(getpid()) + name);
}

TEST(StockCafOutput, EverythingWrittenIsThereWhenTheSystemHasEnded) {
  ::testing::internal::CaptureStdout();
  {
    on_workers place;
    for (int i = 0; i < 20; ++i)
      place.caf().spawn([](caf::event_based_actor* self) {
        for (int line = 0; line < 50; ++line) caf::aout(self) << "line" << std::endl;
      });
  }
  const std::string out = ::testing::internal::GetCapturedStdout();
  EXPECT_EQ(std::count(out.begin(), out.end(), '\n'), 20 * 50);
}

TEST(StockCafOutput, LinesOfSeveralActorsAreNotMixed) {
  ::testing::internal::CaptureStdout();
  {
    on_workers place;
    for (int i = 0; i < 8; ++i)
      place.caf().spawn([](caf::event_based_actor* self) {
        for (int line = 0; line < 100; ++line)
          caf::aout(self) << "one "
                          << "whole "
                          << "line" << std::endl;
      });
  }
  std::stringstream out(::testing::internal::GetCapturedStdout());
  int lines = 0;
  for (std::string line; std::getline(out, line); ++lines) ASSERT_EQ(line, "one whole line");
  EXPECT_EQ(lines, 800);
}

TEST(StockCafOutput, OneActorsOutputGoesToAFile) {
  const auto file = scratch_file("one");
  {
    on_workers place;
    place.caf().spawn([&](caf::event_based_actor* self) {
      caf::actor_ostream::redirect(self, file.string());
      caf::aout(self) << "into the file" << std::endl;
    });
  }
  EXPECT_EQ(contents(file), "into the file\n");
  std::filesystem::remove(file);
}

TEST(StockCafOutput, AllOutputIsAppendedToAFile) {
  const auto file = scratch_file("all");
  std::ofstream(file) << "before\n";
  {
    on_workers place;
    caf::actor_ostream::redirect_all(place.caf(), file.string(), caf::actor_ostream::append);
    place.caf().spawn([](caf::event_based_actor* self) { caf::aout(self) << "after" << std::endl; });
  }
  EXPECT_EQ(contents(file), "before\nafter\n");
  std::filesystem::remove(file);
}

TEST(StockCafOutput, OutputGoesToAGroup) {
  on_workers place;
  std::promise<std::string> box;
  const auto group = place.caf().groups().get_local(":printed");
  const auto reader = place.caf().spawn([&](caf::event_based_actor* self) -> caf::behavior {
    self->join(group);
    return {[&, self](const std::string&, const std::string& text) {
              box.set_value(text);
              self->quit();
            },
            [](int n) { return n; }};
  });
  place.caf().spawn([&](caf::event_based_actor* self) {
    self->request(reader, 10s, 1).then([&, self](int) {  // it has joined
      caf::actor_ostream::redirect(self, ":printed");
      caf::aout(self) << "read me" << std::endl;
    });
  });
  EXPECT_EQ(place.get(box), "read me\n");
}

TEST(StockCafOutput, BlockingAndDetachedActorsPrint) {
  ::testing::internal::CaptureStdout();
  {
    on_workers place;
    place.caf().spawn([](caf::blocking_actor* self) { caf::aout(self) << "blocking" << std::endl; });
    place.caf().spawn<caf::detached>([](caf::event_based_actor* self) { caf::aout(self) << "detached" << std::endl; });
  }
  const std::string out = ::testing::internal::GetCapturedStdout();
  EXPECT_NE(out.find("blocking\n"), std::string::npos);
  EXPECT_NE(out.find("detached\n"), std::string::npos);
}

}  // namespace
}  // namespace tandem::actors
