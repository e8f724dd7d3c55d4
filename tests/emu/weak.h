/* Forced into runtime/cuda/table.c and device.c while kernels are still missing: an op or a scratch need that
 * no linked file defines is NULL. To be deleted when all are there.
 */
#include "runtime/cuda/cuda.h"

#pragma weak un_cuda_adamw
#pragma weak un_cuda_add
#pragma weak un_cuda_add_row
#pragma weak un_cuda_attention_bwd
#pragma weak un_cuda_attention_fwd
#pragma weak un_cuda_cast
#pragma weak un_cuda_clip_factor
#pragma weak un_cuda_col_sum
#pragma weak un_cuda_cross_entropy
#pragma weak un_cuda_dropout
#pragma weak un_cuda_embed_words
#pragma weak un_cuda_gather_rows
#pragma weak un_cuda_gelu_bwd
#pragma weak un_cuda_gemm
#pragma weak un_cuda_kl_divergence
#pragma weak un_cuda_linear_grad
#pragma weak un_cuda_mask_features
#pragma weak un_cuda_norm_bwd
#pragma weak un_cuda_norm_fwd
#pragma weak un_cuda_scatter_add_rows
#pragma weak un_cuda_scatter_rows
#pragma weak un_cuda_segment_add_rows
#pragma weak un_cuda_square_sums
#pragma weak un_cuda_squared_error
#pragma weak un_cuda_tanh_bwd
#pragma weak un_cuda_transport_bwd
#pragma weak un_cuda_transport_fwd
#pragma weak un_cuda_zero
#pragma weak un_cuda_attention_scratch
#pragma weak un_cuda_gemm_scratch
#pragma weak un_cuda_layernorm_scratch
#pragma weak un_cuda_loss_scratch
#pragma weak un_cuda_pointwise_scratch
#pragma weak un_cuda_reduce_scratch
#pragma weak un_cuda_transport_scratch
