#include "libcore/checkpoint/store.h"

#include <gtest/gtest.h>

#include "libcore/checkpoint/address.h"
#include "libcore/checkpoint/tensor_file.h"
#include "libcore/io/memory_file_system.h"
#include "libcore/io/safetensors.h"
#include "libcore/precision/half.h"
#include "tests/support/tiny_checkpoint.h"

namespace ballast {
namespace {

const char* const kPath = "run/ckpt/step-000000100";

class Store : public ::testing::Test {
 protected:
  void save(int64_t step, const SaveOptions& options = tiny_options()) {
    const auto saved = save_tiny(fs, "run", step, options);
    ASSERT_TRUE(saved.ok()) << saved.error().message();
    EXPECT_EQ(saved->warning, "");
  }
  void flip_byte(const std::string& path, size_t at) {
    std::string content = *read_file(fs, path);
    content[at] = static_cast<char>(content[at] ^ 0x10);
    ASSERT_TRUE(fs.remove(path).ok());
    auto file = *fs.create_exclusive(path);
    ASSERT_TRUE(file->append(as_bytes(content)).ok());
    ASSERT_TRUE(file->close().ok());
  }
  std::string load_error(const std::string& path = kPath) {
    TinyState into(0);
    const auto loaded = load_tiny(fs, path, into);
    return loaded.ok() ? "" : loaded.error().message();
  }
  MemoryFileSystem fs;
};

TEST_F(Store, GivesBackEveryBit) {
  for (const int64_t files : {1, 3, 100}) {
    for (const char* dtype : {"F32", "BF16"}) {
      SaveOptions options = tiny_options();
      options.optim_files = files;
      options.model_dtype = dtype;
      options.model_file_bytes = 2000;
      ASSERT_TRUE(fs.remove_all("run").ok() || !fs.exists("run"));
      save(100, options);
      TinyState into(0);
      std::fill(into.m.begin(), into.m.end(), 7.0f);  // padding too has to be overwritten
      const auto loaded = load_tiny(fs, kPath, into);
      ASSERT_TRUE(loaded.ok()) << loaded.error().message();
      EXPECT_TRUE(into == TinyState(100)) << dtype << " " << files;
      EXPECT_EQ(loaded->state, tiny_train_state(100));
      EXPECT_EQ(loaded->config, tiny_config());
    }
  }
}

TEST_F(Store, StoresNothingTwiceInF32) {
  save(100);
  const Manifest manifest = *check_complete(fs, kPath);
  EXPECT_EQ(manifest.master, "model");
  const TinyState tiny(100);
  int64_t tensor_bytes = 0;
  for (const FileRecord& file : manifest.files) {
    for (const TensorRecord& tensor : file.tensors) {
      tensor_bytes += tensor.end - tensor.begin;
      EXPECT_NE(tensor.name, "lm_head.weight");
    }
  }
  EXPECT_EQ(tensor_bytes, tiny.table.parameters * 12);
}

TEST_F(Store, ModelFilesAreWhatHuggingFaceReads) {
  SaveOptions options = tiny_options();
  options.model_dtype = "BF16";
  options.model_file_bytes = 2000;
  save(100, options);
  const Json index =
      *parse_json(*read_file(fs, std::string(kPath) + "/model.safetensors.index.json"), "index");
  const TinyState tiny(100);
  EXPECT_EQ(index.at("metadata").at("total_size"), tiny.table.parameters * 2);
  EXPECT_EQ(index.at("weight_map").size(), tiny.table.specs.size());
  for (const ParamSpec& spec : tiny.table.specs) {
    const std::string file = index.at("weight_map").at(spec.name);
    const auto reader = SafetensorsReader::open(fs, std::string(kPath) + "/" + file);
    ASSERT_TRUE(reader.ok()) << reader.error().message();
    EXPECT_EQ(reader->metadata().at("format"), "pt");
    const SafetensorsEntry* entry = reader->find(spec.name);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->shape.size(), spec.one_dimensional ? 1u : 2u);
    uint16_t first = 0;
    ASSERT_TRUE(reader->read(*entry, 0, std::as_writable_bytes(std::span(&first, 1))).ok());
    EXPECT_EQ(first, float_to_bf16(tiny.master[static_cast<size_t>(spec.flat_begin)]));
  }
  const Json config = *parse_json(*read_file(fs, std::string(kPath) + "/config.json"), "config");
  EXPECT_EQ(config.at("torch_dtype"), "bfloat16");
  EXPECT_EQ(*read_file(fs, std::string(kPath) + "/tokenizer.json"), tiny_options().tokenizer);
}

TEST_F(Store, NeverReplacesACompleteCheckpoint) {
  save(100);
  const auto again = save_tiny(fs, "run", 100);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().kind, ErrorKind::usage);
  ASSERT_TRUE(fs.remove(std::string(kPath) + "/state.json").ok());
  save(100);  // what is damaged is in nobody's way
  EXPECT_EQ(load_error(), "");
}

TEST_F(Store, NamesTheDamagedTensor) {
  save(100);
  const Manifest manifest = *check_complete(fs, kPath);
  for (const FileRecord& file : manifest.files) {
    if (file.tensors.empty()) continue;
    const std::string path = std::string(kPath) + "/" + file.name;
    const int64_t data = SafetensorsReader::open(fs, path)->data_offset();
    for (const size_t i : {size_t{0}, file.tensors.size() / 2, file.tensors.size() - 1}) {
      const auto at = static_cast<size_t>(data + file.tensors[i].end - 1);
      flip_byte(path, at);
      EXPECT_EQ(load_error(), "tensor is damaged: " + path + ": " + file.tensors[i].name +
                                  " (its hash is not the manifest's)");
      flip_byte(path, at);
    }
  }
  EXPECT_EQ(load_error(), "");
}

TEST_F(Store, NoticesDamageInEveryFile) {
  save(100);
  const auto names = fs.list(kPath);
  for (const std::string& name : *names) {
    const std::string path = std::string(kPath) + "/" + name;
    const size_t size = read_file(fs, path)->size();
    for (const size_t at : {size_t{0}, size_t{20}, size / 2, size - 1}) {
      if (at >= size) continue;
      flip_byte(path, at);
      const auto manifest = check_complete(fs, kPath);
      bool good = manifest.ok();
      for (size_t i = 0; good && i < manifest->files.size(); ++i)
        good = check_file(fs, kPath, manifest->files[i]).ok();
      EXPECT_FALSE(good) << name << " byte " << at;
      flip_byte(path, at);
    }
  }
}

TEST_F(Store, RefusesAnotherModel) {
  save(100);
  ModelConfig other = tiny_config();
  other.intermediate_size = 32;
  TinyState into(0, other);
  const auto loaded = load_tiny(fs, kPath, into);
  ASSERT_FALSE(loaded.ok());
  EXPECT_EQ(loaded.error().kind, ErrorKind::usage);
  EXPECT_NE(loaded.error().message().find("mlp.gate_proj.weight: [32, 16] here, [24, 16] there"),
            std::string::npos)
      << loaded.error().message();
  other = tiny_config();
  other.num_hidden_layers = 3;
  TinyState deeper(0, other);
  EXPECT_FALSE(load_tiny(fs, kPath, deeper).ok());
}

TEST_F(Store, LoadsWeightsAlone) {
  save(100);
  TinyState into(0);
  ASSERT_TRUE(load_checkpoint(fs, kPath, into.table, {into.master.data(), nullptr, nullptr}).ok());
  EXPECT_EQ(into.master, TinyState(100).master);
  EXPECT_EQ(into.m, TinyState(0).m);
}

TEST(TensorFile, StreamsPiecesInOrderAcrossChunks) {
  MemoryFileSystem fs;
  ASSERT_TRUE(fs.make_directories("d").ok());
  // Larger than the read-ahead threshold, with tensors that end at odd places.
  std::vector<SafetensorsEntry> entries;
  std::string all;
  for (const int64_t size : {3, 1'500'001, 0, 9'000'000, 1}) {
    SafetensorsEntry entry;
    entry.name = "t" + std::to_string(entries.size());
    entry.dtype = "U8";
    entry.shape = {size};
    entries.push_back(entry);
    for (int64_t i = 0; i < size; ++i) all.push_back(static_cast<char>(i * 31 + size));
  }
  auto writer = SafetensorsWriter::create(fs, "d/x.safetensors", entries, {});
  ASSERT_TRUE(writer.ok()) << writer.error().message();
  ASSERT_TRUE(writer->append(as_bytes(all)).ok());
  const auto written = writer->entries();
  const auto summary = *writer->finish();
  FileRecord record{"x.safetensors", summary.bytes, summary.hash, {}};
  for (size_t i = 0; i < written.size(); ++i) {
    record.tensors.push_back({written[i].name, "U8", written[i].shape, written[i].begin,
                              written[i].end, written[i].begin, written[i].end,
                              summary.tensor_hashes[i]});
  }
  std::string got;
  const auto read = read_tensor_file(
      fs, "d", record, [&](const TensorRecord& tensor, int64_t offset, Bytes data) {
        EXPECT_EQ(static_cast<int64_t>(got.size()), tensor.begin + offset);
        EXPECT_EQ(offset % 8, 0);
        got += as_text(data);
      });
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_TRUE(got == all);
  record.hash.low ^= 1;
  EXPECT_FALSE(read_tensor_file(fs, "d", record, {}).ok());
}

}  // namespace
}  // namespace ballast
