// The training step of the same LLaMA in plain C with OpenMP and no library: naive loops, each weight row reused over eight
// rows of activations as llm.c's CPU trainer does. What a compiler alone makes of it is the peer of `pretrain`'s CPU path.
//   cc -O3 -march=native -ffast-math -fopenmp step_plain.c -lm -o step_plain
//   step_plain demo-3m|llama-14m STEPS        prints the loss of the last step, median tokens/s and ms
// With -DFEW_THREADS it runs in parallel only what train_gpt2.c of llm.c (2025-05) does: matrix products, attention forward
// and the softmax of the logits; and like there the backward of attention's softmax sums over all pairs of keys.
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { B = 8, T = 256, N = B * T, V = 8192 };

#ifdef FEW_THREADS
#define NAME "plain C, threads as in llm.c,"
#define PARALLEL_TOO(clauses)
#else
#define NAME "plain C"
#define PRAGMA(text) _Pragma(#text)
#define PARALLEL_TOO(clauses) PRAGMA(omp parallel for clauses)
#endif

static int H, I, L, NH, NKV, D, QKV;

static uint64_t state = 1;
static float uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (float)(state >> 40) / 16777216.0f - 0.5f;
}

typedef struct {
  float *norm1, *qkv, *proj, *norm2, *gate_up, *down;
} Layer;

typedef struct {
  float *x, *y1, *r1, *qkv, *p, *o, *mid, *y2, *r2, *gu, *act;
} Kept;

static float* floats(size_t n) {
  float* p = calloc(n, sizeof(float));
  if (!p) exit(1);
  return p;
}

// out (n, O) = x (n, C) w (O, C)^T
static void matmul(float* out, const float* x, const float* w, int n, int C, int O) {
#pragma omp parallel for
  for (int r = 0; r < n; r += 8) {
    for (int o = 0; o < O; ++o) {
      float sum[8] = {0};
      const float* row = w + (size_t)o * C;
      for (int k = 0; k < 8; ++k) {
        const float* in = x + (size_t)(r + k) * C;
        float s = 0;
        for (int c = 0; c < C; ++c) s += in[c] * row[c];
        sum[k] = s;
      }
      for (int k = 0; k < 8; ++k) out[(size_t)(r + k) * O + o] = sum[k];
    }
  }
}

static void matmul_backward(float* dx, float* dw, const float* dout, const float* x, const float* w, int n, int C, int O) {
#pragma omp parallel for
  for (int r = 0; r < n; ++r) {
    float* d = dx + (size_t)r * C;
    memset(d, 0, sizeof(float) * (size_t)C);
    for (int o = 0; o < O; ++o) {
      const float g = dout[(size_t)r * O + o];
      const float* row = w + (size_t)o * C;
      for (int c = 0; c < C; ++c) d[c] += g * row[c];
    }
  }
#pragma omp parallel for
  for (int o = 0; o < O; ++o) {
    float* d = dw + (size_t)o * C;
    for (int r = 0; r < n; ++r) {
      const float g = dout[(size_t)r * O + o];
      const float* in = x + (size_t)r * C;
      for (int c = 0; c < C; ++c) d[c] += g * in[c];
    }
  }
}

static void norm(float* y, float* rstd, const float* x, const float* gain) {
  PARALLEL_TOO()
  for (int r = 0; r < N; ++r) {
    const float* in = x + (size_t)r * H;
    float s = 0;
    for (int c = 0; c < H; ++c) s += in[c] * in[c];
    rstd[r] = 1.0f / sqrtf(s / (float)H + 1e-5f);
    for (int c = 0; c < H; ++c) y[(size_t)r * H + c] = in[c] * rstd[r] * gain[c];
  }
}

// dx += gradient
static void norm_backward(float* dx, float* dgain, const float* dy, const float* x, const float* rstd, const float* gain) {
  for (int r = 0; r < N; ++r) {
    const float *in = x + (size_t)r * H, *g = dy + (size_t)r * H;
    float s = 0;
    for (int c = 0; c < H; ++c) {
      s += g[c] * gain[c] * in[c];
      dgain[c] += g[c] * in[c] * rstd[r];
    }
    s *= rstd[r] * rstd[r] / (float)H;
    for (int c = 0; c < H; ++c) dx[(size_t)r * H + c] += rstd[r] * (g[c] * gain[c] - in[c] * s);
  }
}

static void rope(float* qkv, float sign) {
  PARALLEL_TOO()
  for (int r = 0; r < N; ++r)
    for (int h = 0; h < NH + NKV; ++h)
      for (int i = 0; i < D / 2; ++i) {
        float* p = qkv + (size_t)r * QKV + h * D + i;
        const float angle = (float)(r % T) * powf(10000.0f, -2.0f * (float)i / (float)D);
        const float c = cosf(angle), s = sign * sinf(angle), a = p[0], b = p[D / 2];
        p[0] = a * c - b * s;
        p[D / 2] = b * c + a * s;
      }
}

static void attention(float* o, float* p, const float* qkv) {
  const float scale = 1.0f / sqrtf((float)D);
#pragma omp parallel for collapse(2)
  for (int b = 0; b < B; ++b)
    for (int h = 0; h < NH; ++h) {
      const int kv = h / (NH / NKV);
      for (int t = 0; t < T; ++t) {
        const float* q = qkv + (size_t)(b * T + t) * QKV + h * D;
        float* w = p + ((size_t)(b * NH + h) * T + t) * T;
        float top = -1e30f, sum = 0;
        for (int u = 0; u <= t; ++u) {
          const float* k = qkv + (size_t)(b * T + u) * QKV + (NH + kv) * D;
          float s = 0;
          for (int i = 0; i < D; ++i) s += q[i] * k[i];
          w[u] = s * scale;
          if (w[u] > top) top = w[u];
        }
        for (int u = 0; u <= t; ++u) sum += w[u] = expf(w[u] - top);
        float* out = o + (size_t)(b * T + t) * NH * D + h * D;
        memset(out, 0, sizeof(float) * (size_t)D);
        for (int u = 0; u <= t; ++u) {
          w[u] /= sum;
          const float* v = qkv + (size_t)(b * T + u) * QKV + (NH + NKV + kv) * D;
          for (int i = 0; i < D; ++i) out[i] += w[u] * v[i];
        }
      }
    }
}

static void attention_backward(float* dqkv, const float* dout, const float* p, const float* qkv) {
  const float scale = 1.0f / sqrtf((float)D);
  memset(dqkv, 0, sizeof(float) * (size_t)N * QKV);
  const int group = NH / NKV;
  PARALLEL_TOO(collapse(2))
  for (int b = 0; b < B; ++b)
    for (int kv = 0; kv < NKV; ++kv) {
      float ds[T];
      for (int h = kv * group; h < (kv + 1) * group; ++h)
        for (int t = 0; t < T; ++t) {
          const float* g = dout + (size_t)(b * T + t) * NH * D + h * D;
          const float* w = p + ((size_t)(b * NH + h) * T + t) * T;
          const float* q = qkv + (size_t)(b * T + t) * QKV + h * D;
          float* dq = dqkv + (size_t)(b * T + t) * QKV + h * D;
          float dot = 0;
          for (int u = 0; u <= t; ++u) {
            const float* v = qkv + (size_t)(b * T + u) * QKV + (NH + NKV + kv) * D;
            float* dv = dqkv + (size_t)(b * T + u) * QKV + (NH + NKV + kv) * D;
            float s = 0;
            for (int i = 0; i < D; ++i) {
              s += g[i] * v[i];
              dv[i] += w[u] * g[i];
            }
            ds[u] = s;
            dot += w[u] * s;
          }
#ifdef FEW_THREADS
          float de[T] = {0};
          for (int u = 0; u <= t; ++u)
            for (int j = 0; j <= t; ++j) de[j] += w[u] * ((u == j ? 1.0f : 0.0f) - w[j]) * ds[u];
#endif
          for (int u = 0; u <= t; ++u) {
#ifdef FEW_THREADS
            const float e = de[u] * scale;
#else
            const float e = w[u] * (ds[u] - dot) * scale;
#endif
            const float* k = qkv + (size_t)(b * T + u) * QKV + (NH + kv) * D;
            float* dk = dqkv + (size_t)(b * T + u) * QKV + (NH + kv) * D;
            for (int i = 0; i < D; ++i) {
              dq[i] += e * k[i];
              dk[i] += e * q[i];
            }
          }
        }
    }
}

static int by_value(const void* a, const void* b) {
  const double x = *(const double*)a, y = *(const double*)b;
  return (x > y) - (x < y);
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const int small = strcmp(argv[1], "demo-3m") == 0, steps = atoi(argv[2]);
  H = small ? 192 : 384, I = small ? 512 : 1024, L = small ? 4 : 6, NH = 6, NKV = small ? 3 : 6, D = H / NH;
  QKV = (NH + 2 * NKV) * D;
  const size_t layer = (size_t)2 * H + (size_t)QKV * H + (size_t)H * NH * D + (size_t)3 * I * H;
  const size_t count = (size_t)V * H + (size_t)L * layer + (size_t)H;
  float *w = floats(count), *g = floats(count), *m = floats(count), *v = floats(count);
  for (size_t i = 0; i < count; ++i) w[i] = uniform() * 0.07f;
  Layer* layers = calloc((size_t)L, sizeof(Layer));
  Kept* kept = calloc((size_t)L, sizeof(Kept));
  for (int l = 0; l < L; ++l) {
    float* p = w + (size_t)V * H + (size_t)l * layer;
    Layer* a = &layers[l];
    a->norm1 = p, p += H, a->qkv = p, p += (size_t)QKV * H, a->proj = p, p += (size_t)H * NH * D;
    a->norm2 = p, p += H, a->gate_up = p, p += (size_t)2 * I * H, a->down = p;
    for (int c = 0; c < H; ++c) a->norm1[c] = a->norm2[c] = 1;
    kept[l] = (Kept){floats((size_t)N * H), floats((size_t)N * H), floats(N), floats((size_t)N * QKV),
                     floats((size_t)B * NH * T * T), floats((size_t)N * NH * D), floats((size_t)N * H),
                     floats((size_t)N * H), floats(N), floats((size_t)N * 2 * I), floats((size_t)N * I)};
  }
  float* last_norm = w + count - H;
  for (int c = 0; c < H; ++c) last_norm[c] = 1;
  float *x = floats((size_t)N * H), *y = floats((size_t)N * H), *r = floats(N), *logits = floats((size_t)N * V);
  float *dx = floats((size_t)N * H), *dy = floats((size_t)N * H), *dqkv = floats((size_t)N * QKV);
  float *dgu = floats((size_t)N * 2 * I), *dact = floats((size_t)N * I), *d_o = floats((size_t)N * NH * D);
  int tokens[B * (T + 1)];
  double* ms = calloc((size_t)steps, sizeof(double));
  double loss = 0;
  for (int step = 1; step <= steps; ++step) {
    struct timespec t0, t1;
    for (int i = 0; i < B * (T + 1); ++i) tokens[i] = (int)((uniform() + 0.5f) * 512);
    clock_gettime(CLOCK_MONOTONIC, &t0);
    for (int b = 0; b < B; ++b)
      for (int t = 0; t < T; ++t)
        memcpy((L ? kept[0].x : x) + (size_t)(b * T + t) * H, w + (size_t)tokens[b * (T + 1) + t] * H, sizeof(float) * (size_t)H);
    for (int l = 0; l < L; ++l) {
      Layer* a = &layers[l];
      Kept* k = &kept[l];
      norm(k->y1, k->r1, k->x, a->norm1);
      matmul(k->qkv, k->y1, a->qkv, N, H, QKV);
      rope(k->qkv, 1);
      attention(k->o, k->p, k->qkv);
      matmul(k->mid, k->o, a->proj, N, NH * D, H);
      for (size_t i = 0; i < (size_t)N * H; ++i) k->mid[i] += k->x[i];
      norm(k->y2, k->r2, k->mid, a->norm2);
      matmul(k->gu, k->y2, a->gate_up, N, H, 2 * I);
  PARALLEL_TOO()
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < I; ++i) {
          const float gate = k->gu[(size_t)n * 2 * I + i], up = k->gu[(size_t)n * 2 * I + I + i];
          k->act[(size_t)n * I + i] = gate / (1 + expf(-gate)) * up;
        }
      float* out = l + 1 < L ? kept[l + 1].x : x;
      matmul(out, k->act, a->down, N, I, H);
      for (size_t i = 0; i < (size_t)N * H; ++i) out[i] += k->mid[i];
    }
    norm(y, r, x, last_norm);
    matmul(logits, y, w, N, H, V);
    loss = 0;
#pragma omp parallel for reduction(+ : loss)
    for (int n = 0; n < N; ++n) {
      float *row = logits + (size_t)n * V, top = -1e30f, sum = 0;
      const int label = tokens[n / T * (T + 1) + n % T + 1];
      for (int c = 0; c < V; ++c) top = row[c] > top ? row[c] : top;
      const float right = row[label];
      for (int c = 0; c < V; ++c) sum += row[c] = expf(row[c] - top);
      loss += (double)(logf(sum) + top - right) / N;
      for (int c = 0; c < V; ++c) row[c] /= sum * N;
      row[label] -= 1.0f / N;
    }
    memset(g, 0, sizeof(float) * count);
    matmul_backward(dy, g, logits, y, w, N, H, V);
    memset(dx, 0, sizeof(float) * (size_t)N * H);
    norm_backward(dx, g + count - H, dy, x, r, last_norm);
    for (int l = L - 1; l >= 0; --l) {
      Layer* a = &layers[l];
      Kept* k = &kept[l];
#define GRAD(p) (g + ((p)-w))
      matmul_backward(dact, GRAD(a->down), dx, k->act, a->down, N, I, H);
  PARALLEL_TOO()
      for (int n = 0; n < N; ++n)
        for (int i = 0; i < I; ++i) {
          const float gate = k->gu[(size_t)n * 2 * I + i], up = k->gu[(size_t)n * 2 * I + I + i], d = dact[(size_t)n * I + i];
          const float s = 1 / (1 + expf(-gate));
          dgu[(size_t)n * 2 * I + i] = d * up * s * (1 + gate * (1 - s));
          dgu[(size_t)n * 2 * I + I + i] = d * gate * s;
        }
      matmul_backward(dy, GRAD(a->gate_up), dgu, k->y2, a->gate_up, N, H, 2 * I);
      norm_backward(dx, GRAD(a->norm2), dy, k->mid, k->r2, a->norm2);
      matmul_backward(d_o, GRAD(a->proj), dx, k->o, a->proj, N, NH * D, H);
      attention_backward(dqkv, d_o, k->p, k->qkv);
      rope(dqkv, -1);
      matmul_backward(dy, GRAD(a->qkv), dqkv, k->y1, a->qkv, N, H, QKV);
      norm_backward(dx, GRAD(a->norm1), dy, k->x, k->r1, a->norm1);
    }
    for (int n = 0; n < N; ++n)
      for (int c = 0; c < H; ++c) g[(size_t)tokens[n / T * (T + 1) + n % T] * H + c] += dx[(size_t)n * H + c];
    double square = 0;
  PARALLEL_TOO(reduction(+ : square))
    for (size_t i = 0; i < count; ++i) square += (double)g[i] * g[i];
    const float factor = square > 1 ? 1.0f / (float)sqrt(square) : 1.0f;
    const float c1 = 1 - powf(0.9f, (float)step), c2 = 1 - powf(0.95f, (float)step);
  PARALLEL_TOO()
    for (size_t i = 0; i < count; ++i) {
      const float d = g[i] * factor;
      m[i] = 0.9f * m[i] + 0.1f * d;
      v[i] = 0.95f * v[i] + 0.05f * d * d;
      w[i] -= 1e-3f * (m[i] / c1 / (sqrtf(v[i] / c2) + 1e-8f) + 0.1f * w[i]);
    }
    clock_gettime(CLOCK_MONOTONIC, &t1);
    ms[step - 1] = (double)(t1.tv_sec - t0.tv_sec) * 1e3 + (double)(t1.tv_nsec - t0.tv_nsec) * 1e-6;
  }
  const int warm = steps > 3 ? 1 : 0;
  qsort(ms + warm, (size_t)(steps - warm), sizeof(double), by_value);
  const double median = ms[warm + (steps - warm) / 2];
  printf(NAME " %s: %.0f tokens/s, %.1f ms (loss %.3f)\n", argv[1], N * 1e3 / median, median, loss);
  return 0;
}
