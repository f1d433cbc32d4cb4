#include <cstdio>

#include <tandem/testing/actors.hpp>
#include <tandem/testing/probe.hpp>

struct greet {
  const char* whom;
};
class greeter {
 public:
  using protocol = tandem::actors::protocol<void(greet)>;
  explicit greeter(tandem::actors::actor_ref<void(greet)> next) : next_(std::move(next)) {}
  void on(greet g) { (void)next_.try_tell(g); }

 private:
  tandem::actors::actor_ref<void(greet)> next_;
};

int main() {
  tandem::testing::sim_runtime sim;
  tandem::testing::actor_stage stage(sim);
  tandem::testing::probe<void(greet)> end(stage);
  const auto first = stage.spawn<greeter>(end.ref());
  (void)first.try_tell(greet{"world"});
  stage.expect<greet>(first);
  std::printf("hello %s\n", end.take<greet>().message.whom);
}
