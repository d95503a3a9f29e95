#include "libcore/trace/foreign/tfevents.h"

#include "libcore/trace/foreign/tfevents_message.h"
#include "libcore/trace/foreign/tfrecord.h"
#include "tests/support/foreign_build.h"
#include "tests/unit/trace/foreign_logs.h"

namespace ballast {
namespace {

using namespace build;

std::string version_record() { return tfrecord(float64(1, 1.7e9) + text(3, "brain.Event:2")); }
std::string losses(int first, int last) {
  std::string file;
  for (int step = first; step <= last; ++step)
    file += scalar_record(step, "loss", static_cast<float>(step));
  return file;
}

TEST(TfEvents, ReadsScalarsByStep) {
  const std::string file =
      version_record() + tfrecord(event(1, scalar("loss", 0.1f) + scalar("lr", 2))) +
      scalar_record(1, "grad-norm", 3) + scalar_record(1, "lm loss validation", 4) +
      scalar_record(1, "loss vs samples", 9) + scalar_record(2, "odd", 5);
  ASSERT_TRUE(looks_like_tfevents(file));
  const ReadLog log = read_log(tfevents_log, file);
  ASSERT_EQ(order_of(log), "sv");
  EXPECT_EQ(log.steps[0].loss, static_cast<double>(0.1f));
  EXPECT_EQ(log.steps[0].lr, 2);
  EXPECT_EQ(log.steps[0].grad_norm, 3);
  EXPECT_EQ(log.steps[0].time_us, 1700000001000000);
  EXPECT_EQ(log.evals[0].loss, 4);
  EXPECT_EQ(log.notes.records, 6);
  EXPECT_EQ(log.notes.unused, std::vector<std::string>{"odd"});
}

// A tensor of tensor.proto in the value of a summary.
std::optional<double> tensor_value(const std::string& tensor) {
  TfEvent event;
  EXPECT_TRUE(parse_tfevent(text(5, text(1, text(1, "t") + text(8, tensor))), event));
  if (event.scalars.empty()) return std::nullopt;
  return event.scalars[0].second;
}

TEST(TfEvents, TensorsOfOneElement) {
  const std::string dim1 = text(2, text(2, whole(1, 1)));
  const std::string dim2 = text(2, text(2, whole(1, 2)));
  EXPECT_EQ(tensor_value(whole(1, 1) + float32(5, 0.1f)), static_cast<double>(0.1f));
  EXPECT_EQ(tensor_value(whole(1, 1) + text(5, raw(0.1f))), static_cast<double>(0.1f));
  EXPECT_EQ(tensor_value(whole(1, 1) + text(4, raw(0.1f))), static_cast<double>(0.1f));
  EXPECT_EQ(tensor_value(text(5, raw(0.1f)) + whole(1, 1)), static_cast<double>(0.1f));
  EXPECT_EQ(tensor_value(whole(1, 1) + dim1 + text(5, raw(0.5f))), 0.5);
  EXPECT_EQ(tensor_value(whole(1, 2) + float64(6, 0.1)), 0.1);
  EXPECT_EQ(tensor_value(whole(1, 2) + text(6, raw(0.1))), 0.1);
  EXPECT_EQ(tensor_value(whole(1, 2) + text(4, raw(0.1))), 0.1);
  EXPECT_EQ(tensor_value(whole(1, 3) + text(7, varint(7))), 7);
  EXPECT_EQ(tensor_value(whole(1, 3) + whole(7, -7)), -7);
  EXPECT_EQ(tensor_value(whole(1, 3) + text(4, raw<int32_t>(-7))), -7);
  EXPECT_EQ(tensor_value(whole(1, 9) + text(10, varint(9))), 9);
  EXPECT_EQ(tensor_value(whole(1, 9) + text(4, raw<int64_t>(-9))), -9);
  EXPECT_EQ(tensor_value(whole(1, 1)), 0);  // a zero that was not written
  // Vectors, half types, text.
  EXPECT_EQ(tensor_value(whole(1, 1) + dim2 + text(5, raw(0.5f))), std::nullopt);
  EXPECT_EQ(tensor_value(whole(1, 1) + text(5, raw(0.5f) + raw(0.5f))), std::nullopt);
  EXPECT_EQ(tensor_value(whole(1, 3) + text(7, varint(7) + varint(8))), std::nullopt);
  EXPECT_EQ(tensor_value(whole(1, 19) + text(13, varint(15360))), std::nullopt);
  EXPECT_EQ(tensor_value(whole(1, 14) + text(13, varint(16256))), std::nullopt);
  EXPECT_EQ(tensor_value(whole(1, 7) + text(8, "hello")), std::nullopt);
}

TEST(TfEvents, ADamagedPayloadCostsOneRecord) {
  const std::string before = version_record() + losses(1, 3);
  std::string file = before + losses(4, 6);
  file[before.size() + 20] ^= 1;  // within the payload of step 4
  const ReadLog log = read_log(tfevents_log, file);
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 5, 6}));
  EXPECT_EQ(log.notes.damaged, 1);
  EXPECT_EQ(log.notes.first_damaged, static_cast<int64_t>(before.size()));
  EXPECT_EQ(log.notes.first_damage, "the checksum of a record is wrong");
  EXPECT_FALSE(log.notes.truncated);
}

TEST(TfEvents, ADamagedLengthIsSearchedThrough) {
  const std::string before = losses(1, 3);
  for (const size_t at : {0, 5, 7, 9, 11}) {
    std::string file = before + losses(4, 6);
    file[before.size() + at] ^= 0x40;
    const ReadLog log = read_log(tfevents_log, file);
    EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 5, 6})) << at;
    EXPECT_EQ(log.notes.damaged, 1) << at;
    EXPECT_EQ(log.notes.first_damage, "the checksum of a record's length is wrong") << at;
    EXPECT_FALSE(log.notes.truncated) << at;
  }
}

TEST(TfEvents, LostAndForeignBytesCostTheirRecords) {
  const std::string one = losses(4, 4);
  for (size_t lost = 1; lost < one.size(); ++lost) {
    const ReadLog log = read_log(tfevents_log, losses(1, 3) + one.substr(0, lost) + losses(5, 6));
    ASSERT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 5, 6})) << lost;
    ASSERT_EQ(log.notes.damaged, 1) << lost;
    ASSERT_FALSE(log.notes.truncated) << lost;
  }
  // The broken record reaches over the end of the file, but the file does not end within it.
  const std::string graph = tfrecord(text(4, std::string(300, 'g')));
  const ReadLog inner = read_log(tfevents_log, losses(1, 3) + graph.substr(0, 50) + losses(4, 4));
  EXPECT_EQ(steps_of(inner), (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(inner.notes.damaged, 1);
  EXPECT_FALSE(inner.notes.truncated);
  const ReadLog log = read_log(tfevents_log, std::string(1000, 'x') + losses(1, 2) +
                                                 std::string(70000, '\0') + losses(3, 4));
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(log.notes.damaged, 2);
  EXPECT_EQ(log.notes.first_damaged, 0);
}

TEST(TfEvents, AHalfRecordAtTheEndIsStillBeingWritten) {
  const std::string one = losses(4, 4);
  for (size_t size = 1; size < one.size(); ++size) {
    const ReadLog log = read_log(tfevents_log, losses(1, 3) + one.substr(0, size));
    ASSERT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3})) << size;
    ASSERT_TRUE(log.notes.truncated) << size;
    ASSERT_EQ(log.notes.damaged, 0) << size;
  }
}

TEST(TfEvents, ALengthOverTheLimitIsDamage) {
  std::string header = raw<uint64_t>(kLongestTfRecord + 1);
  header += raw(masked_crc32c(crc32c(as_bytes(header))));
  const ReadLog log = read_log(tfevents_log, losses(1, 1) + header + losses(2, 2));
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(log.notes.damaged, 1);
}

// Each byte of such a file begins a long record with a wrong checksum; the reader must not compute
// them all.
TEST(TfEvents, ManyFalseHeadersCostLittle) {
  std::string header = raw<uint64_t>(4 << 20);
  header += raw(masked_crc32c(crc32c(as_bytes(header))));
  std::string file;
  while (file.size() < size_t{6} << 20) file += header;
  const ReadLog log = read_log(tfevents_log, std::move(file));
  EXPECT_TRUE(log.records.empty());
}

TEST(TfEvents, ARecordThatIsNoEventIsDamage) {
  const std::string negative = tfrecord(event(-1, scalar("loss", 1)));
  const ReadLog log =
      read_log(tfevents_log, losses(1, 1) + tfrecord("\x0a\xff") + negative + losses(2, 2));
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(log.notes.damaged, 2);
  EXPECT_EQ(log.notes.first_damage, "a record is no event");
}

TEST(TfEvents, SessionStartBecomesAResume) {
  const std::string start = tfrecord(event(3, text(7, whole(1, 1))));
  const std::string first = tfrecord(event(0, text(7, whole(1, 1))));
  const std::string stop = tfrecord(event(9, text(7, whole(1, 2))));
  const ReadLog log = read_log(tfevents_log, first + losses(1, 4) + start + losses(3, 5) + stop);
  EXPECT_EQ(order_of(log),
            "sssse"
            "sss");
  EXPECT_EQ(log.events[0].event, "resume");
  EXPECT_EQ(log.events[0].step, 3);
}

TEST(TfEvents, EmptyFilesHaveNoRecords) {
  EXPECT_FALSE(looks_like_tfevents(""));
  const ReadLog log = read_log(tfevents_log, "");
  EXPECT_TRUE(log.records.empty());
  EXPECT_FALSE(log.notes.truncated);
}

TEST(TfEvents, IsToldByItsContent) {
  EXPECT_FALSE(looks_like_tfevents("step,loss\n1,2\n"));
  EXPECT_FALSE(looks_like_tfevents(std::string(4096, '\0')));
  EXPECT_FALSE(looks_like_tfevents(tfrecord("some other record")));
  EXPECT_TRUE(looks_like_tfevents("torn" + version_record()));
}

TEST(TfEvents, AFolderIsOneRunInTheOrderOfItsClocks) {
  MemoryFileSystem fs;
  // By name the later one would come first.
  put_file(fs, "/run/events.out.tfevents.2.b", losses(3, 5));
  put_file(fs, "/run/events.out.tfevents.3.a", losses(1, 4));
  put_file(fs, "/run/events.out.tfevents.4.empty", "");
  put_file(fs, "/run/events.out.tfevents.5.torn", losses(6, 7).substr(0, 70));
  put_file(fs, "/run/model.pt", "x");
  ASSERT_TRUE(is_tfevents_folder(fs, "/run"));
  EXPECT_FALSE(is_tfevents_folder(fs, "/"));
  const ReadLog log = read_log(tfevents_folder_log(fs, "/run", {}));
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 4, 3, 4, 5, 6}));
  EXPECT_TRUE(log.notes.truncated);
  EXPECT_EQ(error_of(tfevents_folder_log(fs, "/", {})), "the folder has no event files: /");
}

TEST(TfEvents, AFileIsOneRun) {
  ImportOptions options;
  options.run_name = "mine";
  EXPECT_EQ(error_of(tfevents_log(memory_source(losses(1, 1)), options)),
            "this log is of one run: memory (--run-name is for files of several runs)");
}

TEST(TfEvents, StepsOfTwoFilesNeverMix) {
  MemoryFileSystem fs;
  put_file(fs, "/run/x.tfevents.1", losses(1, 3));
  put_file(fs, "/run/x.tfevents.2",
           tfrecord(float64(1, 1.8e9)) + scalar_record(3, "lr", 7) + scalar_record(4, "lr", 8));
  const ReadLog log = read_log(tfevents_folder_log(fs, "/run", {}));
  EXPECT_EQ(steps_of(log), (std::vector<int64_t>{1, 2, 3, 3, 4}));
  EXPECT_EQ(log.steps[2].lr, std::nullopt);
}

}  // namespace
}  // namespace ballast
