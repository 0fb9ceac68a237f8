/* Every operation on a case of the golden values. Written by `make interface`. */

typedef struct golden {
    const char *name;
    /* Records the operands and the operation: its first result. */
    bg_node (*call)(bg_graph *g, bg_node *x);
    size_t operands;
    /* The value and, behind it, the head gradient and the gradients of the operands that have one; no
     * numbers where there are none to compare with. */
    const double *numbers;
    size_t values, gradients;
} golden;

static bg_node made_neg(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.348, 2.535, 0.478, 0.072, 2.0, 1.736, -2.674}, (size_t[]){7}, 1);
    return bg_neg(g, x[0]);
}
static const double neg_numbers[] = {0.348, -2.535, -0.478, -0.072, -2.0, -1.736, 2.674, 1.918, 1.393, 0.744, 1.43, 0.591, 1.329, 1.311, -1.918, -1.393, -0.744, -1.43, -0.591, -1.329, -1.311};

static bg_node made_abs(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.365, 1.955, 1.671, -0.722, -0.388, -2.958, -2.163}, (size_t[]){7}, 1);
    return bg_abs(g, x[0]);
}
static const double abs_numbers[] = {1.365, 1.955, 1.671, 0.722, 0.388, 2.958, 2.163, 1.784, 0.936, 1.738, 0.918, 0.548, 0.475, 0.936, 1.784, 0.936, 1.738, -0.918, -0.548, -0.475, -0.936};

static bg_node made_sign(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.064, 1.991, 0.062, -1.36, 1.568, -1.546, 1.633}, (size_t[]){7}, 1);
    return bg_sign(g, x[0]);
}
static const double sign_numbers[] = {-1.0, 1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 1.254, 0.976, 1.275, 1.624, 1.656, 1.4, 0.91, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_exp(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.578, -1.429, 2.581, -1.669, 0.041, -0.921, -0.725}, (size_t[]){7}, 1);
    return bg_exp(g, x[0]);
}
static const double exp_numbers[] = {1.7824699235852404, 0.2395483508603542, 13.210341898587169, 0.18843540685930069, 1.0418521055454797, 0.39812072123654696, 0.48432456895536247, 0.641, 1.852, 1.457, 1.896, 1.48, 0.543, 0.84, 1.1425632210181391, 0.443643545793376, 19.247468146241506, 0.3572735314052341, 1.5419411162073096, 0.216179551631445, 0.40683263792250446};

static bg_node made_expm1(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){2.892, 1.559, 1.546, 0.806, -1.408, -1.084, -2.947}, (size_t[]){7}, 1);
    return bg_expm1(g, x[0]);
}
static const double expm1_numbers[] = {17.029332231375697, 3.7540648025104, 3.6926619434163728, 1.2389343140399325, -0.7553679416680025, -0.6617601433121683, -0.94750303916934, 0.244, 1.151, 1.198, 0.83, 1.006, 1.528, 1.704, 4.39915706445567, 5.4719285876894705, 5.621809008212814, 1.8583154806531437, 0.2460998506819895, 0.516830501019007, 0.08945482125544449};

static bg_node made_log(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.248, 1.204, 1.274, 0.429, 3.165, 3.906, 3.54}, (size_t[]){7}, 1);
    return bg_log(g, x[0]);
}
static const double log_numbers[] = {-1.3943265328171548, 0.1856493468866293, 0.2421615571499716, -0.8462983600541201, 1.1521530555961397, 1.3625138324544872, 1.264126727145683, 1.64, 0.305, 1.675, 1.848, 1.759, 0.758, 1.534, 6.612903225806451, 0.25332225913621265, 1.3147566718995292, 4.307692307692308, 0.5557661927330173, 0.19406041986687148, 0.43333333333333335};

static bg_node made_log1p(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.203, 2.272, 0.241, 0.201, 0.206, 3.268, 2.801}, (size_t[]){7}, 1);
    return bg_log1p(g, x[0]);
}
static const double log1p_numbers[] = {-0.22690060019192204, 1.1854014187405006, 0.21591750622247016, 0.1831545430978465, 0.1873090983049937, 1.4511453334395068, 1.3352641900071118, 0.276, 1.176, 1.719, 1.377, 0.599, 1.569, 0.972, 0.34629861982434135, 0.3594132029339853, 1.3851732473811442, 1.1465445462114905, 0.4966832504145937, 0.3676194939081537, 0.25572217837411204};

static bg_node made_sqrt(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.225, 2.438, 2.051, 2.99, 1.904, 3.843, 3.69}, (size_t[]){7}, 1);
    return bg_sqrt(g, x[0]);
}
static const double sqrt_numbers[] = {0.4743416490252569, 1.5614096195425466, 1.432131278898691, 1.7291616465790582, 1.3798550648528272, 1.960357110324545, 1.9209372712298547, 1.239, 0.517, 1.714, 0.217, 0.682, 0.228, 0.353, 1.3060206736495408, 0.16555553185059405, 0.5984088278967226, 0.06274717011833707, 0.24712740394685617, 0.058152669939369794, 0.09188222991112988};

static bg_node made_rsqrt(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){2.112, 2.921, 3.042, 2.705, 3.452, 0.453, 3.887}, (size_t[]){7}, 1);
    return bg_rsqrt(g, x[0]);
}
static const double rsqrt_numbers[] = {0.6881023532039753, 0.5851055552496303, 0.5733507634614845, 0.6080179003104816, 0.5382259171491816, 1.4857676530210897, 0.5072157487659901, 0.565, 1.886, 0.501, 1.808, 1.499, 1.871, 1.277, -0.09204020586180064, -0.1888923446081484, -0.047213795610487136, -0.20319710975256028, -0.11685988554557115, -3.0682905947047, -0.0833180487746552};

static bg_node made_square(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.397, -2.408, -0.394, -1.337, -0.568, -0.114, -2.612}, (size_t[]){7}, 1);
    return bg_square(g, x[0]);
}
static const double square_numbers[] = {0.15760900000000003, 5.798463999999999, 0.155236, 1.787569, 0.32262399999999997, 0.012996, 6.822544000000001, 0.993, 1.391, 1.103, 1.384, 1.083, 0.568, 0.634, -0.7884420000000001, -6.699056, -0.869164, -3.700816, -1.2302879999999998, -0.12950399999999998, -3.3120160000000003};

static bg_node made_reciprocal(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.848, 2.735, 1.072, -2.333, 0.484, 0.647, -2.416}, (size_t[]){7}, 1);
    return bg_reciprocal(g, x[0]);
}
static const double reciprocal_numbers[] = {-0.5411255411255411, 0.3656307129798903, 0.9328358208955224, -0.4286326618088298, 2.066115702479339, 1.5455950540958268, -0.4139072847682119, 1.037, 1.498, 1.517, 0.654, 1.479, 0.632, 0.571, -0.30365107475497083, -0.20026135577472604, -1.3200671084874134, -0.12015677703513702, -6.313605628030874, -1.5097620930271445, -0.0978232862593746};

static bg_node made_sin(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-2.598, -0.513, -2.511, -1.501, 2.471, -1.891, 1.2}, (size_t[]){7}, 1);
    return bg_sin(g, x[0]);
}
static const double sin_numbers[] = {-0.5172141171832841, -0.4907932796825329, -0.5896235348525968, -0.9975652250464808, 0.6214504126763869, -0.9491713296148054, 0.9320390859672264, 1.908, 1.936, 0.813, 1.076, 0.536, 1.793, 0.539, -1.6329733196181229, 1.6867904342608286, -0.656642382837172, 0.07503988651113526, -0.4199310752892014, -0.5643644790230474, 0.1953108296629271};

static bg_node made_cos(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.901, 2.005, 1.534, -1.385, 2.257, 1.599, 2.254}, (size_t[]){7}, 1);
    return bg_cos(g, x[0]);
}
static const double cos_numbers[] = {-0.3242357051487042, -0.4206881029129783, 0.03678802383863312, 0.1847292135957762, -0.6336047004302993, -0.028199934265082854, -0.6312808818285687, 0.698, 0.976, 1.912, 0.919, 0.694, 0.393, 0.872, 0.6602914748670509, -0.8854324070756611, -1.9107057510407284, 0.9031835113822528, -0.536917926578374, -0.39284370498946675, -0.6762833361016736};

static bg_node made_tan(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.882, -1.18, 1.237, 0.5, 0.041, 1.056, -1.25}, (size_t[]){7}, 1);
    return bg_tan(g, x[0]);
}
static const double tan_numbers[] = {1.214602650248942, -2.427266361400223, 2.8837380477804917, 0.5463024898437905, 0.04102298912467785, 1.7678066704826585, -3.0095696738628313, 1.227, 1.514, 1.462, 1.437, 1.167, 0.577, 0.643, 3.037143526735882, 10.433915691626208, 13.61991177745302, 1.8658674917584872, 1.1689639275380563, 2.3802060247651204, 6.466978686839795};

static bg_node made_tanh(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.932, 0.894, -1.571, -0.082, -2.896, 1.432, -1.9}, (size_t[]){7}, 1);
    return bg_tanh(g, x[0]);
}
static const double tanh_numbers[] = {-0.7315249994555854, 0.713363791193743, -0.9171846793647, -0.08181670364476323, -0.993914826524597, 0.8920757302271087, -0.9562374581277392, 0.278, 1.193, 1.093, 1.22, 1.956, 0.869, 0.968, 0.12923418669767864, 0.5858967369865319, 0.1735380844849691, 1.21183335294574, 0.023732769254119164, 0.17745057474806075, 0.08287040611585163};

static bg_node made_sigmoid(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.972, -2.702, -0.567, -2.824, 2.254, 1.853, 1.23}, (size_t[]){7}, 1);
    return bg_sigmoid(g, x[0]);
}
static const double sigmoid_numbers[] = {0.8778257706856875, 0.06285544373298725, 0.3619293469651366, 0.0560409559494485, 0.9049950088534092, 0.8644789527315405, 0.7738185742694538, 0.791, 1.855, 0.701, 1.042, 0.324, 0.841, 0.618, 0.08483292042156117, 0.10926810149794616, 0.161886482834139, 0.05512218262836074, 0.027857209868439915, 0.09852743322622004, 0.10816445402195696};

static bg_node made_erf(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.744, 1.605, -2.005, 1.935, 0.178, 0.379, -2.011}, (size_t[]){7}, 1);
    return bg_erf(g, x[0]);
}
static const double erf_numbers[] = {0.9863516768824928, 0.9767810544189556, -0.995424572602839, 0.993790401712922, 0.1987502440109759, 0.40803242356676395, -0.9955446641299596, 1.694, 0.478, 1.623, 0.483, 1.065, 1.092, 0.529, 0.09129482574161552, 0.04103264502974029, 0.03287750893991471, 0.012891573634248569, 1.164245266071658, 1.0673213675814233, 0.01046095410907368};

static bg_node made_relu(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.553, 0.893, 0.403, 0.19, -1.594, 2.882, 0.614}, (size_t[]){7}, 1);
    return bg_relu(g, x[0]);
}
static const double relu_numbers[] = {0.0, 0.893, 0.403, 0.19, 0.0, 2.882, 0.614, 0.632, 0.415, 0.818, 0.284, 1.138, 1.725, 0.371, 0.0, 0.415, 0.818, 0.284, 0.0, 1.725, 0.371};

static bg_node made_softplus(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){2.29, -2.208, -0.845, -2.208, 1.721, -2.521, -1.13}, (size_t[]){7}, 1);
    return bg_softplus(g, x[0]);
}
static const double softplus_numbers[] = {2.3864608464914947, 0.10428818333914436, 0.3573648566417407, 0.10428818333914436, 1.8855709183047629, 0.0773120789218025, 0.2799270219463292, 0.309, 0.998, 0.952, 1.63, 0.249, 0.77, 1.127, 0.28058604407131965, 0.0988363145081558, 0.286059599265369, 0.16142604473776948, 0.2112161418572631, 0.05728727005363159, 0.27516956072016374};

static bg_node made_gelu(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.804, 1.031, 0.401, 1.745, 2.708, -2.562, -1.412}, (size_t[]){7}, 1);
    return bg_gelu(g, x[0]);
}
static const double gelu_numbers[] = {-0.1694015839539163, 0.8750402073934781, 0.2629717651560687, 1.6743407018293293, 2.6988347709658047, -0.01333153589911853, -0.11151267259477449, 1.587, 0.615, 0.857, 0.614, 1.656, 1.247, 1.374, -0.034068980252970595, 0.6706391967021085, 0.6885199119355481, 0.6823889872986583, 1.6961273523544944, -0.0413780232967659, -0.17711289596127874};

static bg_node made_gelu_tanh(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-2.332, -2.311, 1.299, 1.121, 2.923, 2.021, 0.802}, (size_t[]){7}, 1);
    return bg_gelu_tanh(g, x[0]);
}
static const double gelu_tanh_numbers[] = {-0.022612137060194697, -0.023726749857161267, 1.172803161623525, 0.9737949604614984, 2.918371006962429, 1.9773819866397948, 0.6324716448581661, 1.047, 1.77, 1.432, 1.756, 0.517, 0.411, 1.749, -0.05455460622008682, -0.09567579487847087, 1.612178868967091, 1.9441399860952335, 0.5243642811822808, 0.4454554758406141, 1.7846256836214935};

static bg_node made_silu(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.569, 2.869, 0.631, 1.829, 0.409, -0.645, -2.076}, (size_t[]){7}, 1);
    return bg_silu(g, x[0]);
}
static const double silu_numbers[] = {-0.2056750653311507, 2.7149133193713526, 0.41186390615147667, 1.575944233593817, 0.2457468620149469, -0.22195556742096015, -0.23137325516013885, 0.767, 1.419, 1.288, 1.757, 1.567, 0.885, 0.258, 0.17651539261632376, 1.5496950442819486, 1.0249258035191844, 1.8970086050217925, 1.0952364834849737, 0.1757081748900575, -0.02428680257804382};

static bg_node made_floor(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.169, 2.302, -0.943, -2.807, 1.289, 2.632, 0.692}, (size_t[]){7}, 1);
    return bg_floor(g, x[0]);
}
static const double floor_numbers[] = {0.0, 2.0, -1.0, -3.0, 1.0, 2.0, 0.0, 1.511, 0.576, 1.806, 0.449, 1.679, 0.701, 0.856, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_ceil(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.249, -0.862, 1.843, -1.168, 1.79, -0.799, 1.137}, (size_t[]){7}, 1);
    return bg_ceil(g, x[0]);
}
static const double ceil_numbers[] = {-0.0, -0.0, 2.0, -1.0, 2.0, -0.0, 2.0, 0.956, 1.096, 1.081, 0.367, 1.708, 0.274, 0.224, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_round(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.759, -1.388, -1.668, 2.241, -0.948, -2.217, -1.673}, (size_t[]){7}, 1);
    return bg_round(g, x[0]);
}
static const double round_numbers[] = {2.0, -1.0, -2.0, 2.0, -1.0, -2.0, -2.0, 0.493, 0.861, 1.479, 1.027, 1.217, 1.513, 0.383, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_add(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.937, -1.029, -1.346, -1.482, -0.358, -0.837}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.243, -0.492, 0.535, -1.213, 0.193, 1.257}, (size_t[]){2, 3}, 2);
    return bg_add(g, x[0], x[1]);
}
static const double add_numbers[] = {1.694, -1.521, -0.811, -2.6950000000000003, -0.16499999999999998, 0.41999999999999993, 1.687, 1.058, 0.911, 0.259, 0.744, 1.77, 1.687, 1.058, 0.911, 0.259, 0.744, 1.77, 1.687, 1.058, 0.911, 0.259, 0.744, 1.77};

static bg_node made_sub(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.629, 1.348, 1.417, -1.128, 0.659, -1.033}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-1.0, -1.42, 0.945, 0.329, -0.808, -0.698}, (size_t[]){2, 3}, 2);
    return bg_sub(g, x[0], x[1]);
}
static const double sub_numbers[] = {1.629, 2.768, 0.4720000000000001, -1.457, 1.467, -0.33499999999999996, 1.903, 1.844, 1.206, 1.586, 1.028, 1.925, 1.903, 1.844, 1.206, 1.586, 1.028, 1.925, -1.903, -1.844, -1.206, -1.586, -1.028, -1.925};

static bg_node made_mul(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.756, 0.637, -0.78, 1.027, 1.975, 0.481}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){0.91, 0.702, -0.938, -0.485, 0.938, 1.125}, (size_t[]){2, 3}, 2);
    return bg_mul(g, x[0], x[1]);
}
static const double mul_numbers[] = {1.59796, 0.447174, 0.73164, -0.4980949999999999, 1.85255, 0.541125, 0.677, 0.779, 1.476, 1.257, 1.772, 1.568, 0.6160700000000001, 0.546858, -1.384488, -0.6096449999999999, 1.6621359999999998, 1.764, 1.188812, 0.496223, -1.15128, 1.2909389999999998, 3.4997000000000003, 0.754208};

static bg_node made_div(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.16, -0.161, -1.511, -0.102, 1.345, -1.328}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-1.953, 1.954, 0.956, 0.687, 1.16, 0.494}, (size_t[]){2, 3}, 2);
    return bg_div(g, x[0], x[1]);
}
static const double div_numbers[] = {0.0819252432155658, -0.08239508700102355, -1.5805439330543931, -0.148471615720524, 1.1594827586206895, -2.688259109311741, 1.234, 1.658, 1.387, 1.593, 1.67, 0.414, -0.6318484383000512, 0.8485158648925282, 1.450836820083682, 2.318777292576419, 1.4396551724137931, 0.8380566801619432, 0.05176433698310711, 0.0699135385095686, 2.293111333835192, 0.34427261112488317, -1.6692553507728896, 2.2529135045649};

static bg_node made_pow(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){2.129, 0.628, 0.732, 1.788, 2.121, 0.291}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-1.866, 1.748, -1.491, 0.796, 1.788, -1.712}, (size_t[]){2, 3}, 2);
    return bg_pow(g, x[0], x[1]);
}
static const double pow_numbers[] = {0.24413172272740696, 0.4434385620134249, 1.5922599744850627, 1.5881244848151306, 3.835789052347036, 8.275899400340526, 0.252, 1.012, 0.313, 0.613, 0.784, 0.341, -0.05392134722477878, 1.2490958179558285, -1.015137515946192, 0.43340165890188664, 2.535114760616528, -16.602762414857715, 0.046488637126414066, -0.20876985236633563, -0.15548116352570948, 0.5657103899415115, 2.261120691441843, -3.4836679848899585};

static bg_node made_maximum(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.002, -1.589, 1.044, 1.534, 0.933, 1.065}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){1.539, -1.1, -1.799, 0.255, 0.193, 0.317}, (size_t[]){2, 3}, 2);
    return bg_maximum(g, x[0], x[1]);
}
static const double maximum_numbers[] = {1.539, -1.1, 1.044, 1.534, 0.933, 1.065, 0.239, 1.163, 0.523, 1.386, 1.261, 1.918, 0.0, 0.0, 0.523, 1.386, 1.261, 1.918, 0.239, 1.163, 0.0, 0.0, 0.0, 0.0};

static bg_node made_minimum(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.665, 1.993, 1.217, 1.592, 1.019, 1.231}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-1.474, -1.434, 0.377, -1.005, 1.354, -1.169}, (size_t[]){2, 3}, 2);
    return bg_minimum(g, x[0], x[1]);
}
static const double minimum_numbers[] = {-1.474, -1.434, 0.377, -1.005, 1.019, -1.169, 1.07, 0.52, 1.559, 1.052, 0.758, 0.721, 0.0, 0.0, 0.0, 0.0, 0.758, 0.0, 1.07, 0.52, 1.559, 1.052, 0.0, 0.721};

static bg_node made_atan2(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.636, -1.277, -0.667, 1.712, 0.739, -1.426}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.886, -1.993, 0.2, -1.71, 1.092, -1.949}, (size_t[]){2, 3}, 2);
    return bg_atan2(g, x[0], x[1]);
}
static const double atan2_numbers[] = {2.5189982561086937, -2.5717528246227355, -1.2794770838980052, 2.355610036722948, 0.5949440149870242, -2.509934622010636, 1.581, 1.936, 0.842, 1.236, 1.131, 1.761, -1.177616999525848, -0.688666943434132, 0.34729597907974813, -0.3609810617990232, 0.7103776922037175, -0.5885020036601025, -0.8453322931133627, 0.44125824724806145, 1.1582320902309602, -0.3614032618713028, -0.480740947379622, 0.4305817635809678};

static bg_node made_leaky_relu(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.473, -1.546, 1.406, -1.476, -1.012, 0.246, 1.785}, (size_t[]){7}, 1);
    return bg_leaky_relu(g, x[0], 0.01);
}
static const double leaky_relu_numbers[] = {-0.00473, -0.015460000000000002, 1.406, -0.01476, -0.01012, 0.246, 1.785, 1.975, 1.431, 1.894, 0.562, 1.361, 1.354, 0.562, 0.01975, 0.014310000000000002, 1.894, 0.005620000000000001, 0.01361, 1.354, 0.562};

static bg_node made_elu(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.676, 0.44, 2.767, 1.318, 1.447, -1.375, 2.424}, (size_t[]){7}, 1);
    return bg_elu(g, x[0], 1.0);
}
static const double elu_numbers[] = {-0.4913524813196863, 0.44, 2.767, 1.318, 1.447, -0.7471604041952535, 2.424, 1.395, 1.008, 0.594, 1.672, 1.69, 0.849, 1.051, 0.7095632885590376, 1.008, 0.594, 1.672, 1.69, 0.21466081683822977, 1.051};

static bg_node made_eq(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.0, 0.5, 0.5, -0.5, 0.0, 0.0}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, -0.5, 0.5, 0.0, 0.0, 0.0}, (size_t[]){2, 3}, 2);
    return bg_eq(g, x[0], x[1]);
}
static const double eq_numbers[] = {0, 0, 1, 0, 1, 1};

static bg_node made_eq_scalar(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.0, 0.5, 0.5, -0.5, 0.0, 0.0}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, -0.5, 0.5, 0.0, 0.0, 0.0}, (size_t[]){2, 3}, 2);
    return bg_eq_scalar(g, x[0], 0);
}

static bg_node made_ne(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.5, 0.0, 0.5, 0.0, -0.5, -0.5}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.0, 0.5, 0.0, 0.5, 0.0}, (size_t[]){2, 3}, 2);
    return bg_ne(g, x[0], x[1]);
}
static const double ne_numbers[] = {0, 0, 0, 0, 1, 1};

static bg_node made_ne_scalar(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.5, 0.0, 0.5, 0.0, -0.5, -0.5}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.0, 0.5, 0.0, 0.5, 0.0}, (size_t[]){2, 3}, 2);
    return bg_ne_scalar(g, x[0], 0);
}

static bg_node made_lt(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.5, -0.5, -0.5, -0.5, 0.0, -0.5}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.5, -0.5, -0.5, -0.5, -0.5}, (size_t[]){2, 3}, 2);
    return bg_lt(g, x[0], x[1]);
}
static const double lt_numbers[] = {0, 1, 0, 0, 0, 0};

static bg_node made_lt_scalar(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.5, -0.5, -0.5, -0.5, 0.0, -0.5}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.5, -0.5, -0.5, -0.5, -0.5}, (size_t[]){2, 3}, 2);
    return bg_lt_scalar(g, x[0], 0);
}

static bg_node made_le(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.5, -0.5, 0.5, 0.5, 0.0, 0.0}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){0.0, 0.0, -0.5, 0.0, -0.5, 0.5}, (size_t[]){2, 3}, 2);
    return bg_le(g, x[0], x[1]);
}
static const double le_numbers[] = {0, 1, 0, 0, 0, 1};

static bg_node made_le_scalar(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.5, -0.5, 0.5, 0.5, 0.0, 0.0}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){0.0, 0.0, -0.5, 0.0, -0.5, 0.5}, (size_t[]){2, 3}, 2);
    return bg_le_scalar(g, x[0], 0);
}

static bg_node made_gt(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.5, 0.0, 0.5, 0.0, 0.0, 0.5}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.5, -0.5, 0.5, -0.5, 0.0}, (size_t[]){2, 3}, 2);
    return bg_gt(g, x[0], x[1]);
}
static const double gt_numbers[] = {1, 0, 1, 0, 1, 1};

static bg_node made_gt_scalar(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.5, 0.0, 0.5, 0.0, 0.0, 0.5}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.5, -0.5, 0.5, -0.5, 0.0}, (size_t[]){2, 3}, 2);
    return bg_gt_scalar(g, x[0], 0);
}

static bg_node made_ge(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.0, 0.0, 0.0, 0.5, -0.5, 0.0}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.0, -0.5, 0.5, 0.0, 0.5}, (size_t[]){2, 3}, 2);
    return bg_ge(g, x[0], x[1]);
}
static const double ge_numbers[] = {1, 1, 1, 1, 0, 0};

static bg_node made_ge_scalar(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.0, 0.0, 0.0, 0.5, -0.5, 0.0}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){-0.5, 0.0, -0.5, 0.5, 0.0, 0.5}, (size_t[]){2, 3}, 2);
    return bg_ge_scalar(g, x[0], 0);
}

static bg_node made_sum(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.814, -1.313, -1.802, 0.301}, (size_t[]){4}, 1);
    return bg_sum(g, x[0], NULL, 0, false);
}
static const double sum_numbers[] = {-3.628, 0.768, 0.768, 0.768, 0.768, 0.768};

static bg_node made_sum_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.814, -1.313, -1.802, 0.301}, (size_t[]){4}, 1);
    return bg_sum_all(g, x[0]);
}
static const double sum_all_numbers[] = {-3.628, 0.768, 0.768, 0.768, 0.768, 0.768};

static bg_node made_mean(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.82, -0.316, 1.318, 0.811}, (size_t[]){4}, 1);
    return bg_mean(g, x[0], NULL, 0, false);
}
static const double mean_numbers[] = {-0.0017500000000000016, 1.692, 0.423, 0.423, 0.423, 0.423};

static bg_node made_mean_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.82, -0.316, 1.318, 0.811}, (size_t[]){4}, 1);
    return bg_mean_all(g, x[0]);
}
static const double mean_all_numbers[] = {-0.0017500000000000016, 1.692, 0.423, 0.423, 0.423, 0.423};

static bg_node made_max(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.816, -1.302, -0.311, 1.816}, (size_t[]){4}, 1);
    return bg_max(g, x[0], NULL, 0, false);
}
static const double max_numbers[] = {1.816, 0.467, 0.0, 0.0, 0.0, 0.467};

static bg_node made_max_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.816, -1.302, -0.311, 1.816}, (size_t[]){4}, 1);
    return bg_max_all(g, x[0]);
}
static const double max_all_numbers[] = {1.816, 0.467, 0.0, 0.0, 0.0, 0.467};

static bg_node made_min(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.809, 0.307, 1.301, -1.811}, (size_t[]){4}, 1);
    return bg_min(g, x[0], NULL, 0, false);
}
static const double min_numbers[] = {-1.811, 1.458, 0.0, 0.0, 0.0, 1.458};

static bg_node made_min_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.809, 0.307, 1.301, -1.811}, (size_t[]){4}, 1);
    return bg_min_all(g, x[0]);
}
static const double min_all_numbers[] = {-1.811, 1.458, 0.0, 0.0, 0.0, 1.458};

static bg_node made_amax(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.803, -0.808, 0.302, 1.304}, (size_t[]){4}, 1);
    return bg_amax(g, x[0], NULL, 0, false);
}
static const double amax_numbers[] = {1.803, 1.689, 1.689, 0.0, 0.0, 0.0};

static bg_node made_amax_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.803, -0.808, 0.302, 1.304}, (size_t[]){4}, 1);
    return bg_amax_all(g, x[0]);
}
static const double amax_all_numbers[] = {1.803, 1.689, 1.689, 0.0, 0.0, 0.0};

static bg_node made_amin(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.303, -1.809, -0.805, 0.311}, (size_t[]){4}, 1);
    return bg_amin(g, x[0], NULL, 0, false);
}
static const double amin_numbers[] = {-1.809, 0.268, 0.0, 0.268, 0.0, 0.0};

static bg_node made_amin_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.303, -1.809, -0.805, 0.311}, (size_t[]){4}, 1);
    return bg_amin_all(g, x[0]);
}
static const double amin_all_numbers[] = {-1.809, 0.268, 0.0, 0.268, 0.0, 0.0};

static bg_node made_argmax(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.317, -1.319, -1.815, -0.803}, (size_t[]){4}, 1);
    return bg_argmax(g, x[0], 0, false);
}
static const double argmax_numbers[] = {0};

static bg_node made_argmax_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.315, -0.306, -1.802, 0.813}, (size_t[]){4}, 1);
    return bg_argmax_all(g, x[0]);
}
static const double argmax_all_numbers[] = {3};

static bg_node made_argmin(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.816, -0.303, 0.802, -1.314}, (size_t[]){4}, 1);
    return bg_argmin(g, x[0], 0, false);
}
static const double argmin_numbers[] = {3};

static bg_node made_argmin_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.815, 1.319, -1.818, 0.312}, (size_t[]){4}, 1);
    return bg_argmin_all(g, x[0]);
}
static const double argmin_all_numbers[] = {2};

static bg_node made_logsumexp(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.308, 0.8, -0.316, 1.807}, (size_t[]){4}, 1);
    return bg_logsumexp(g, x[0], NULL, 0, false);
}
static const double logsumexp_numbers[] = {2.545179265369286, 0.538, 0.15612848573979915, 0.0939421619782294, 0.03077428057267813, 0.2571550717092934};

static bg_node made_logsumexp_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.308, 0.8, -0.316, 1.807}, (size_t[]){4}, 1);
    return bg_logsumexp_all(g, x[0]);
}
static const double logsumexp_all_numbers[] = {2.545179265369286, 0.538, 0.15612848573979915, 0.0939421619782294, 0.03077428057267813, 0.2571550717092934};

static bg_node made_prod(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.809, -0.303, 1.308, 1.814}, (size_t[]){4}, 1);
    return bg_prod(g, x[0], NULL, 0, false);
}
static const double prod_numbers[] = {-0.581615774424, 1.703, -1.224340746408, 3.2689493856240004, -0.757256623734, -0.5460262755480001};

static bg_node made_prod_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.809, -0.303, 1.308, 1.814}, (size_t[]){4}, 1);
    return bg_prod_all(g, x[0]);
}
static const double prod_all_numbers[] = {-0.581615774424, 1.703, -1.224340746408, 3.2689493856240004, -0.757256623734, -0.5460262755480001};

static bg_node made_var(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.8, -0.3, 1.317, 1.813}, (size_t[]){4}, 1);
    return bg_var(g, x[0], NULL, 0, 1, false);
}
static const double var_numbers[] = {1.5737443333333332, 0.888, -0.7740400000000001, -0.4780399999999999, 0.479224, 0.7728559999999999};

static bg_node made_norm(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.306, -1.811, -0.819, -0.303}, (size_t[]){4}, 1);
    return bg_norm(g, x[0], 1, NULL, 0, false);
}
static const double norm_numbers[] = {4.239, 0.701, -0.701, -0.701, -0.701, -0.701};

static bg_node made_std(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.643, -1.576, -1.032, -0.133, 0.231, -1.716, -1.301}, (size_t[]){7}, 1);
    return bg_std(g, x[0], (int32_t[]){0}, 1, 1.0, false);
}
static const double std_numbers[] = {1.211162723525267, 0.309, 0.09345535546841116, -0.04342014175418935, -0.02028865045593067, 0.017937839759390197, 0.03341552878984269, -0.04937309907359414, -0.0317268327339299};

static bg_node made_all(bg_graph *g, bg_node *x) {
    x[0] = bg_tensor(g, BG_U8, (uint8_t[]){1, 0, 1, 1}, (size_t[]){2, 2}, 2);
    return bg_all(g, x[0], (int32_t[]){1}, 1, true);
}
static const double all_numbers[] = {0, 1};

static bg_node made_all_all(bg_graph *g, bg_node *x) {
    x[0] = bg_tensor(g, BG_I64, (int64_t[]){1, 0, 1, 1}, (size_t[]){2, 2}, 2);
    return bg_all_all(g, x[0]);
}
static const double all_all_numbers[] = {0};

static bg_node made_any(bg_graph *g, bg_node *x) {
    x[0] = bg_tensor(g, BG_U8, (uint8_t[]){0, 0, 1, 1}, (size_t[]){2, 2}, 2);
    return bg_any(g, x[0], (int32_t[]){1}, 1, true);
}
static const double any_numbers[] = {0, 1};

static bg_node made_any_all(bg_graph *g, bg_node *x) {
    x[0] = bg_tensor(g, BG_I64, (int64_t[]){0, 0, 0, 0}, (size_t[]){2, 2}, 2);
    return bg_any_all(g, x[0]);
}
static const double any_all_numbers[] = {0};

static bg_node made_count_nonzero(bg_graph *g, bg_node *x) {
    x[0] = bg_tensor(g, BG_U8, (uint8_t[]){0, 0, 1, 1}, (size_t[]){2, 2}, 2);
    return bg_count_nonzero(g, x[0], (int32_t[]){1}, 1, false);
}
static const double count_nonzero_numbers[] = {0, 2};

static bg_node made_count_nonzero_all(bg_graph *g, bg_node *x) {
    x[0] = bg_tensor(g, BG_I64, (int64_t[]){5, 0, 0, 0}, (size_t[]){2, 2}, 2);
    return bg_count_nonzero_all(g, x[0]);
}
static const double count_nonzero_all_numbers[] = {1};

static bg_node made_nansum(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.834, 0.36, -0.766, 0.408, -1.38, -1.64}, (size_t[]){2, 3}, 2);
    return bg_nansum(g, x[0], (int32_t[]){1}, 1, false);
}
static const double nansum_numbers[] = {-2.24, -2.612, 1.535, 1.58, 1.535, 1.535, 1.535, 1.58, 1.58, 1.58};

static bg_node made_nansum_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){NAN, NAN}, (size_t[]){2}, 1);
    return bg_nansum_all(g, x[0]);
}
static const double nansum_all_numbers[] = {0.0, 1.0, 0.0, 0.0};

static bg_node made_nanmean(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.469, 1.088, 0.144, -0.501, 1.348, 0.402}, (size_t[]){2, 3}, 2);
    return bg_nanmean(g, x[0], (int32_t[]){1}, 1, false);
}
static const double nanmean_numbers[] = {0.567, 0.4163333333333334, 1.558, 1.77, 0.5193333333333333, 0.5193333333333333, 0.5193333333333333, 0.59, 0.59, 0.59};

static bg_node made_nanmean_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.673, -0.981, 0.611, 0.936, 1.2, -0.754}, (size_t[]){2, 3}, 2);
    return bg_nanmean_all(g, x[0]);
}
static const double nanmean_all_numbers[] = {0.2808333333333333, 0.469, 0.07816666666666666, 0.07816666666666666, 0.07816666666666666, 0.07816666666666666, 0.07816666666666666, 0.07816666666666666};

static bg_node made_cumsum(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.533, 0.316, -0.293, 0.618, -0.325, 1.05, 1.549}, (size_t[]){7}, 1);
    return bg_cumsum(g, x[0], 0);
}
static const double cumsum_numbers[] = {-1.533, -1.217, -1.5099999999999998, -0.8919999999999998, -1.217, -0.16699999999999982, 1.382, 0.27, 0.24, 0.992, 1.42, 1.639, 1.293, 0.951, 6.805, 6.535, 6.295, 5.303, 3.883, 2.244, 0.951};

static bg_node made_cumprod(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.49, 0.599, -1.857, 0.787, -0.987, 0.628, 0.411}, (size_t[]){7}, 1);
    return bg_cumprod(g, x[0], 0);
}
static const double cumprod_numbers[] = {1.49, 0.8925099999999999, -1.65739107, -1.3043667720899998, 1.2874100040528298, 0.8084934825451772, 0.3322908213260678, 0.534, 1.763, 0.876, 1.46, 1.801, 0.798, 1.933, 1.757735865383951, 3.044017428083617, -0.13455644018421486, 2.1623200593927407, -3.653618413367261, 2.0501527972839817, 1.5628179017598274};

static bg_node made_logcumsumexp(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.953, 1.079, 1.434, -1.601, -1.51, 1.786, 0.606}, (size_t[]){7}, 1);
    return bg_logcumsumexp(g, x[0], 0);
}
static const double logcumsumexp_numbers[] = {1.953, 2.3017388998177215, 2.6523252847496184, 2.666442052694974, 2.6816784232333504, 3.024083372009364, 3.109427886893322, 0.83, 0.424, 0.495, 1.927, 1.75, 0.302, 1.251, 3.6607904154439175, 1.1812296490996126, 1.5066093109349856, 0.0653923790858151, 0.042036946011492465, 0.4206043675112595, 0.102336931912915};

static bg_node made_cummax(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){2.03, -0.303, -1.735, -1.444, -1.175, 0.876, -0.598}, (size_t[]){7}, 1);
    return bg_cummax(g, x[0], 0, NULL);
}
static const double cummax_numbers[] = {2.03, 2.03, 2.03, 2.03, 2.03, 2.03, 2.03, 1.285, 1.454, 1.239, 0.711, 1.755, 0.581, 1.673, 8.698, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_cummin(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.451, 0.885, 0.604, 1.173, -1.748, -2.025, -0.312}, (size_t[]){7}, 1);
    return bg_cummin(g, x[0], 0, NULL);
}
static const double cummin_numbers[] = {1.451, 0.885, 0.604, 0.604, -1.748, -2.025, -2.025, 0.914, 0.844, 0.74, 0.329, 1.845, 1.184, 1.865, 0.914, 0.844, 1.069, 0.0, 1.845, 3.049, 0.0};

static bg_node made_diff(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.894, 1.383, 1.66, -0.851, 0.829, 0.564, 0.887}, (size_t[]){7}, 1);
    return bg_diff(g, x[0], 1, 0);
}
static const double diff_numbers[] = {-0.5109999999999999, 0.2769999999999999, -2.511, 1.68, -0.265, 0.32300000000000006, 0.632, 0.223, 0.837, 1.472, 0.469, 0.896, -0.632, 0.409, -0.614, -0.635, 1.003, -0.4270000000000001, 0.896};

static bg_node made_trapezoid(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.464, 0.857, 1.297, 0.968, -0.565, -0.452, -1.013}, (size_t[]){7}, 1);
    return bg_trapezoid(g, x[0], 1.0, 0);
}
static const double trapezoid_numbers[] = {1.3665, 1.305, 0.6525, 1.305, 1.305, 1.305, 1.305, 1.305, 0.6525};

static bg_node made_trapezoid_at(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.351, 1.66, 1.807, 0.249, 0.301, -0.205, 1.818}, (size_t[]){7}, 1);
    x[1] = bg_param(g, BG_F64, (double[]){0.318, -2.032, -1.173, -0.876, -1.444, 1.729, 0.591}, (size_t[]){7}, 1);
    return bg_trapezoid_at(g, x[0], x[1], 0);
}
static const double trapezoid_at_numbers[] = {-1.4902255000000006, 0.997, -1.171475, -0.7432635000000001, 0.576266, -0.13509349999999992, 1.2985925, 1.0144475, -0.567293, -1.0024835, -0.7258159999999998, 0.7033834999999999, 0.7507409999999999, 0.226319, -0.7562245, 0.8040805};

static bg_node made_sort(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.591, 2.025, 1.738, 1.455, -0.303, 1.164, -0.882}, (size_t[]){7}, 1);
    return bg_sort(g, x[0], 0, false, NULL);
}
static const double sort_numbers[] = {-0.882, -0.303, 0.591, 1.164, 1.455, 1.738, 2.025, 1.699, 0.853, 1.864, 0.556, 0.619, 1.613, 1.784, 1.864, 1.784, 1.613, 0.619, 0.853, 0.556, 1.699};

static bg_node made_argsort(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.874, 0.302, 1.452, -0.593, -1.739, 2.017, 1.169}, (size_t[]){7}, 1);
    return bg_argsort(g, x[0], 0, false);
}
static const double argsort_numbers[] = {4, 0, 3, 1, 6, 2, 5};

static bg_node made_topk(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.456, -0.315, -2.023, -0.878, 0.604, -1.748, -1.168}, (size_t[]){7}, 1);
    return bg_topk(g, x[0], 3, 0, true, NULL);
}
static const double topk_numbers[] = {1.456, 0.604, -0.315, 0.275, 1.388, 1.82, 0.275, 1.82, 0.0, 0.0, 1.388, 0.0, 0.0};

static bg_node made_kthvalue(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.312, 1.453, -0.594, 2.027, 0.89, 1.171, -1.747}, (size_t[]){7}, 1);
    return bg_kthvalue(g, x[0], 3, 0, false, NULL);
}
static const double kthvalue_numbers[] = {-0.312, 0.898, 0.898, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_searchsorted(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.0, 2.0, 3.0, 10.0, 20.0, 30.0}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){2.0, 0.0, 15.0, 30.0}, (size_t[]){2, 2}, 2);
    return bg_searchsorted(g, x[0], x[1], false);
}
static const double searchsorted_numbers[] = {1, 0, 1, 2};

static bg_node made_median(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.17, -0.605, 0.874, 2.018, -1.748, -0.318, -1.446}, (size_t[]){7}, 1);
    return bg_median(g, x[0], (int32_t[]){0}, 1, false);
}
static const double median_numbers[] = {-0.605, 0.412, 0.0, 0.412, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_median_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.643, 1.65, 1.318, -1.975, -0.318, 0.975}, (size_t[]){2, 3}, 2);
    return bg_median_all(g, x[0]);
}
static const double median_all_numbers[] = {0.643, 0.923, 0.923, 0.0, 0.0, 0.0, 0.0, 0.0};

static bg_node made_nanmedian(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.308, 2.018, 1.163, 0.602, 0.879, -1.734, 1.459}, (size_t[]){7}, 1);
    return bg_nanmedian(g, x[0], (int32_t[]){0}, 1, false);
}
static const double nanmedian_numbers[] = {0.879, 1.223, 0.0, 0.0, 0.0, 0.0, 1.223, 0.0, 0.0};

static bg_node made_nanmedian_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.308, 2.018, 1.163, 0.602, 0.879, -1.734, 1.459}, (size_t[]){7}, 1);
    return bg_nanmedian_all(g, x[0]);
}

static bg_node made_quantile(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.881, -1.161, 1.741, 1.445, -0.599, -0.302, 2.029}, (size_t[]){7}, 1);
    return bg_quantile(g, x[0], 0.3, (int32_t[]){0}, 1, false);
}
static const double quantile_numbers[] = {-0.6554, 0.882, 0.17640000000000017, 0.0, 0.0, 0.0, 0.7055999999999999, 0.0, 0.0};

static bg_node made_reshape(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.372, 0.136, 0.99, -1.455, -0.191, -0.735}, (size_t[]){2, 3}, 2);
    return bg_reshape(g, x[0], (int64_t[]){3, 2}, 2);
}
static const double reshape_numbers[] = {-1.372, 0.136, 0.99, -1.455, -0.191, -0.735, 1.873, 1.378, 0.854, 1.555, 1.348, 1.796, 1.873, 1.378, 0.854, 1.555, 1.348, 1.796};

static bg_node made_permute(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.758, -0.549, -1.284, 1.789, 1.392, -1.31}, (size_t[]){2, 3}, 2);
    return bg_permute(g, x[0], (int32_t[]){1, 0}, 2);
}
static const double permute_numbers[] = {0.758, 1.789, -0.549, 1.392, -1.284, -1.31, 1.419, 1.632, 0.687, 0.625, 0.854, 0.522, 1.419, 0.687, 0.854, 1.632, 0.625, 0.522};

static bg_node made_transpose(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.735, 1.543, -1.389, 0.51, -0.346, 1.141}, (size_t[]){2, 3}, 2);
    return bg_transpose(g, x[0], 0, 1);
}
static const double transpose_numbers[] = {-1.735, 0.51, 1.543, -0.346, -1.389, 1.141, 0.66, 0.265, 0.414, 0.806, 0.527, 0.94, 0.66, 0.414, 0.527, 0.265, 0.806, 0.94};

static bg_node made_expand(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.548, -1.546, 1.488}, (size_t[]){3}, 1);
    return bg_expand(g, x[0], (int64_t[]){2, 3}, 2);
}
static const double expand_numbers[] = {-0.548, -1.546, 1.488, -0.548, -1.546, 1.488, 1.383, 0.335, 0.468, 0.559, 1.623, 1.745, 1.942, 1.958, 2.213};

static bg_node made_squeeze(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.633, -1.395, -1.609, 1.602, 0.823, 0.165}, (size_t[]){2, 1, 3}, 3);
    return bg_squeeze(g, x[0], 1);
}
static const double squeeze_numbers[] = {-0.633, -1.395, -1.609, 1.602, 0.823, 0.165, 1.423, 1.425, 1.539, 0.281, 1.035, 0.214, 1.423, 1.425, 1.539, 0.281, 1.035, 0.214};

static bg_node made_squeeze_all(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.845, -0.516, -0.708, 1.448, -1.538, 0.097}, (size_t[]){2, 1, 3}, 3);
    return bg_squeeze_all(g, x[0]);
}
static const double squeeze_all_numbers[] = {-1.845, -0.516, -0.708, 1.448, -1.538, 0.097, 1.736, 0.769, 1.86, 0.978, 1.002, 0.949, 1.736, 0.769, 1.86, 0.978, 1.002, 0.949};

static bg_node made_unsqueeze(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.172, 0.407, -1.994, 0.95, 1.366, 0.7}, (size_t[]){2, 3}, 2);
    return bg_unsqueeze(g, x[0], 0);
}
static const double unsqueeze_numbers[] = {0.172, 0.407, -1.994, 0.95, 1.366, 0.7, 1.404, 1.904, 1.995, 0.332, 0.894, 0.927, 1.404, 1.904, 1.995, 0.332, 0.894, 0.927};

static bg_node made_slice(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.589, -1.928, -0.257, 1.363, -0.029}, (size_t[]){5}, 1);
    return bg_slice(g, x[0], 0, 1, 4, 1);
}
static const double slice_numbers[] = {-1.928, -0.257, 1.363, 1.154, 0.34, 1.01, 0.0, 1.154, 0.34, 1.01, 0.0};

static bg_node made_concat(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.474, 1.081}, (size_t[]){2}, 1);
    x[1] = bg_param(g, BG_F64, (double[]){0.449, 0.616, -1.39}, (size_t[]){3}, 1);
    return bg_concat(g, x, 2, 0);
}
static const double concat_numbers[] = {-1.474, 1.081, 0.449, 0.616, -1.39, 1.867, 0.763, 1.448, 1.08, 1.884, 1.867, 0.763, 1.448, 1.08, 1.884};

static bg_node made_stack(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.02, -0.775, 1.355, -1.562, 1.223, 0.825}, (size_t[]){2, 3}, 2);
    x[1] = bg_param(g, BG_F64, (double[]){0.133, 0.856, -1.475, 0.16, -1.167, 0.031}, (size_t[]){2, 3}, 2);
    return bg_stack(g, x, 2, 0);
}
static const double stack_numbers[] = {0.02, -0.775, 1.355, -1.562, 1.223, 0.825, 0.133, 0.856, -1.475, 0.16, -1.167, 0.031, 1.346, 1.944, 1.064, 1.159, 1.916, 0.773, 1.038, 0.942, 1.482, 1.963, 0.718, 0.426, 1.346, 1.944, 1.064, 1.159, 1.916, 0.773, 1.038, 0.942, 1.482, 1.963, 0.718, 0.426};

static bg_node made_index_select(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.091, 0.952, 0.443, 0.28, -0.702}, (size_t[]){5}, 1);
    x[1] = bg_tensor(g, BG_I64, (int64_t[]){3, 1}, (size_t[]){2}, 1);
    return bg_index_select(g, x[0], 0, x[1]);
}
static const double index_select_numbers[] = {0.28, 0.952, 1.373, 1.383, 0.0, 1.383, 0.0, 1.373, 0.0};

static bg_node made_gather(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.305, -1.257, -0.925, -0.511, 1.528}, (size_t[]){5}, 1);
    x[1] = bg_tensor(g, BG_I64, (int64_t[]){4, 0, 0, 2, 2, 2, 1}, (size_t[]){7}, 1);
    return bg_gather(g, x[0], 0, x[1]);
}
static const double gather_numbers[] = {1.528, 0.305, 0.305, -0.925, -0.925, -0.925, -1.257, 1.387, 0.632, 0.505, 1.58, 1.022, 0.489, 1.258, 1.137, 1.258, 3.091, 0.0, 1.387};

static bg_node made_scatter(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.532, 0.961, -0.268, -1.238, -0.598, 0.681, 0.107, 0.549, -1.611, 0.99, 0.36, 0.766}, (size_t[]){3, 4}, 2);
    x[1] = bg_tensor(g, BG_I64, (int64_t[]){0, 2, 1, 3, 3, 0}, (size_t[]){3, 2}, 2);
    x[2] = bg_param(g, BG_F64, (double[]){-1.08, -1.751, 1.788, 0.885, 0.736, 0.193}, (size_t[]){3, 2}, 2);
    return bg_scatter(g, x[0], 1, x[1], x[2]);
}
static const double scatter_numbers[] = {-1.08, 0.961, -1.751, -1.238, -0.598, 1.788, 0.107, 0.885, 0.193, 0.99, 0.36, 0.736, 1.462, 0.889, 1.161, 0.918, 1.534, 0.46, 1.187, 0.236, 1.911, 0.645, 1.958, 0.6, 0.0, 0.889, 0.0, 0.918, 1.534, 0.0, 1.187, 0.0, 0.0, 0.645, 1.958, 0.0, 1.462, 1.161, 0.46, 0.236, 0.6, 1.911};

static bg_node made_scatter_add(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.383, 1.193, -0.819, 0.475, 0.547, -0.007, 1.141, 0.005, 0.871, -0.965, -0.083, 1.725}, (size_t[]){3, 4}, 2);
    x[1] = bg_tensor(g, BG_I64, (int64_t[]){0, 2, 1, 1, 3, 0}, (size_t[]){3, 2}, 2);
    x[2] = bg_param(g, BG_F64, (double[]){1.577, -0.801, 0.511, -0.098, 1.473, -0.837}, (size_t[]){3, 2}, 2);
    return bg_scatter_add(g, x[0], 1, x[1], x[2]);
}
static const double scatter_add_numbers[] = {1.96, 1.193, -1.62, 0.475, 0.547, 0.406, 1.141, 0.005, 0.03400000000000003, -0.965, -0.083, 3.1980000000000004, 0.953, 0.602, 0.358, 1.481, 1.014, 1.797, 1.673, 1.916, 1.109, 1.579, 0.573, 1.061, 0.953, 0.602, 0.358, 1.481, 1.014, 1.797, 1.673, 1.916, 1.109, 1.579, 0.573, 1.061, 0.953, 0.358, 1.797, 1.797, 1.061, 1.109};

static bg_node made_scatter_reduce(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.191, 1.373, -0.333, -0.925, -1.528, -0.051, 1.67, 0.969, 1.983, -1.89, -1.983, 1.326}, (size_t[]){3, 4}, 2);
    x[1] = bg_tensor(g, BG_I64, (int64_t[]){0, 2, 1, 1, 3, 0}, (size_t[]){3, 2}, 2);
    x[2] = bg_param(g, BG_F64, (double[]){1.439, 0.692, -1.902, -0.111, 1.242, 1.991}, (size_t[]){3, 2}, 2);
    return bg_scatter_reduce(g, x[0], 1, x[1], x[2], "sum", true);
}
static const double scatter_reduce_numbers[] = {2.63, 1.373, 0.35899999999999993, -0.925, -1.528, -2.064, 1.67, 0.969, 3.974, -1.89, -1.983, 2.568, 1.881, 0.288, 0.454, 0.846, 0.274, 0.918, 0.265, 1.081, 0.587, 1.84, 0.697, 0.466, 1.881, 0.288, 0.454, 0.846, 0.274, 0.918, 0.265, 1.081, 0.587, 1.84, 0.697, 0.466, 1.881, 0.454, 0.918, 0.918, 0.466, 0.587};

static bg_node made_index_copy(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.379, -0.609, 1.688, -1.183, -0.076, 1.654, 1.764, -1.093, -1.224, -0.588, -0.044, -0.741, 0.285, -0.433, 0.551}, (size_t[]){5, 3}, 2);
    x[1] = bg_tensor(g, BG_I64, (int64_t[]){4, 0}, (size_t[]){2}, 1);
    x[2] = bg_param(g, BG_F64, (double[]){1.735, -1.673, -0.535, 0.477, 0.997, -1.493}, (size_t[]){2, 3}, 2);
    return bg_index_copy(g, x[0], 0, x[1], x[2]);
}
static const double index_copy_numbers[] = {0.477, 0.997, -1.493, -1.183, -0.076, 1.654, 1.764, -1.093, -1.224, -0.588, -0.044, -0.741, 1.735, -1.673, -0.535, 0.906, 1.14, 0.628, 1.641, 1.643, 1.157, 1.162, 0.938, 1.522, 1.754, 1.765, 1.731, 0.906, 1.427, 0.826, 0.0, 0.0, 0.0, 1.641, 1.643, 1.157, 1.162, 0.938, 1.522, 1.754, 1.765, 1.731, 0.0, 0.0, 0.0, 0.906, 1.427, 0.826, 0.906, 1.14, 0.628};

static bg_node made_dot(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-0.066}, (size_t[]){1}, 1);
    x[1] = bg_param(g, BG_F64, (double[]){1.259}, (size_t[]){1}, 1);
    return bg_dot(g, x[0], x[1]);
}
static const double dot_numbers[] = {-0.083094, 1.376, 1.7323839999999997, -0.090816};

static bg_node made_matmul(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.397}, (size_t[]){1}, 1);
    x[1] = bg_param(g, BG_F64, (double[]){0.041}, (size_t[]){1}, 1);
    return bg_matmul(g, x[0], x[1]);
}
static const double matmul_numbers[] = {-0.057277, 1.422, 0.058302, -1.986534};

static bg_node made_softmax(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.339, -1.103, 0.628, 1.032, 0.125, -0.027}, (size_t[]){2, 3}, 2);
    return bg_softmax(g, x[0], 0);
}
static const double softmax_numbers[] = {0.5761528267712888, 0.22653166419416368, 0.6581363150480182, 0.4238471732287112, 0.7734683358058363, 0.3418636849519819, 0.62, 1.925, 1.502, 0.602, 0.608, 1.942, 0.00439561344554542, 0.23075824628335925, -0.09899687857973494, -0.004395613445545318, -0.23075824628335917, 0.09899687857973494};

static bg_node made_log_softmax(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){0.73, 0.147, 1.568, 0.599, -0.71, 1.093}, (size_t[]){2, 3}, 2);
    return bg_log_softmax(g, x[0], 0);
}
static const double log_softmax_numbers[] = {-0.6297907734587388, -0.35377417305781955, -0.48358908787082466, -0.7607907734587388, -1.2107741730578194, -0.9585890878708248, 0.696, 1.823, 0.205, 0.958, 1.245, 0.804, -0.18509116723899863, -0.3308387397465027, -0.4171156030620113, 0.1850911672389988, 0.3308387397465025, 0.4171156030620112};

static bg_node made_cross_entropy(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){-1.236, -0.668, 0.765}, (size_t[]){1, 3}, 2);
    x[1] = bg_tensor(g, BG_I64, (int64_t[]){1}, (size_t[]){1}, 1);
    return bg_cross_entropy(g, x[0], x[1]);
}
static const double cross_entropy_numbers[] = {1.7505748627647195, 1.015, 0.09988994487742783, -0.8387208128715, 0.7388308679940722};

static bg_node made_mse(bg_graph *g, bg_node *x) {
    x[0] = bg_param(g, BG_F64, (double[]){1.53, 1.163, -1.952, -1.107}, (size_t[]){4}, 1);
    x[1] = bg_param(g, BG_F64, (double[]){-1.989, -1.55, 0.115, -1.689}, (size_t[]){4}, 1);
    return bg_mse(g, x[0], x[1]);
}
static const double mse_numbers[] = {6.08873575, 0.981, 1.7260695, 1.3307265, -1.0138635, 0.28547100000000003, -1.7260695, -1.3307265, 1.0138635, -0.28547100000000003};

static const golden GOLDEN[] = {
    {"bg_neg", made_neg, 1, neg_numbers, 7, 7},
    {"bg_abs", made_abs, 1, abs_numbers, 7, 7},
    {"bg_sign", made_sign, 1, sign_numbers, 7, 7},
    {"bg_exp", made_exp, 1, exp_numbers, 7, 7},
    {"bg_expm1", made_expm1, 1, expm1_numbers, 7, 7},
    {"bg_log", made_log, 1, log_numbers, 7, 7},
    {"bg_log1p", made_log1p, 1, log1p_numbers, 7, 7},
    {"bg_sqrt", made_sqrt, 1, sqrt_numbers, 7, 7},
    {"bg_rsqrt", made_rsqrt, 1, rsqrt_numbers, 7, 7},
    {"bg_square", made_square, 1, square_numbers, 7, 7},
    {"bg_reciprocal", made_reciprocal, 1, reciprocal_numbers, 7, 7},
    {"bg_sin", made_sin, 1, sin_numbers, 7, 7},
    {"bg_cos", made_cos, 1, cos_numbers, 7, 7},
    {"bg_tan", made_tan, 1, tan_numbers, 7, 7},
    {"bg_tanh", made_tanh, 1, tanh_numbers, 7, 7},
    {"bg_sigmoid", made_sigmoid, 1, sigmoid_numbers, 7, 7},
    {"bg_erf", made_erf, 1, erf_numbers, 7, 7},
    {"bg_relu", made_relu, 1, relu_numbers, 7, 7},
    {"bg_softplus", made_softplus, 1, softplus_numbers, 7, 7},
    {"bg_gelu", made_gelu, 1, gelu_numbers, 7, 7},
    {"bg_gelu_tanh", made_gelu_tanh, 1, gelu_tanh_numbers, 7, 7},
    {"bg_silu", made_silu, 1, silu_numbers, 7, 7},
    {"bg_floor", made_floor, 1, floor_numbers, 7, 7},
    {"bg_ceil", made_ceil, 1, ceil_numbers, 7, 7},
    {"bg_round", made_round, 1, round_numbers, 7, 7},
    {"bg_add", made_add, 2, add_numbers, 6, 12},
    {"bg_sub", made_sub, 2, sub_numbers, 6, 12},
    {"bg_mul", made_mul, 2, mul_numbers, 6, 12},
    {"bg_div", made_div, 2, div_numbers, 6, 12},
    {"bg_pow", made_pow, 2, pow_numbers, 6, 12},
    {"bg_maximum", made_maximum, 2, maximum_numbers, 6, 12},
    {"bg_minimum", made_minimum, 2, minimum_numbers, 6, 12},
    {"bg_atan2", made_atan2, 2, atan2_numbers, 6, 12},
    {"bg_leaky_relu", made_leaky_relu, 1, leaky_relu_numbers, 7, 7},
    {"bg_elu", made_elu, 1, elu_numbers, 7, 7},
    {"bg_eq", made_eq, 2, eq_numbers, 6, 0},
    {"bg_eq_scalar", made_eq_scalar, 2, NULL, 0, 0},
    {"bg_ne", made_ne, 2, ne_numbers, 6, 0},
    {"bg_ne_scalar", made_ne_scalar, 2, NULL, 0, 0},
    {"bg_lt", made_lt, 2, lt_numbers, 6, 0},
    {"bg_lt_scalar", made_lt_scalar, 2, NULL, 0, 0},
    {"bg_le", made_le, 2, le_numbers, 6, 0},
    {"bg_le_scalar", made_le_scalar, 2, NULL, 0, 0},
    {"bg_gt", made_gt, 2, gt_numbers, 6, 0},
    {"bg_gt_scalar", made_gt_scalar, 2, NULL, 0, 0},
    {"bg_ge", made_ge, 2, ge_numbers, 6, 0},
    {"bg_ge_scalar", made_ge_scalar, 2, NULL, 0, 0},
    {"bg_sum", made_sum, 1, sum_numbers, 1, 4},
    {"bg_sum_all", made_sum_all, 1, sum_all_numbers, 1, 4},
    {"bg_mean", made_mean, 1, mean_numbers, 1, 4},
    {"bg_mean_all", made_mean_all, 1, mean_all_numbers, 1, 4},
    {"bg_max", made_max, 1, max_numbers, 1, 4},
    {"bg_max_all", made_max_all, 1, max_all_numbers, 1, 4},
    {"bg_min", made_min, 1, min_numbers, 1, 4},
    {"bg_min_all", made_min_all, 1, min_all_numbers, 1, 4},
    {"bg_amax", made_amax, 1, amax_numbers, 1, 4},
    {"bg_amax_all", made_amax_all, 1, amax_all_numbers, 1, 4},
    {"bg_amin", made_amin, 1, amin_numbers, 1, 4},
    {"bg_amin_all", made_amin_all, 1, amin_all_numbers, 1, 4},
    {"bg_argmax", made_argmax, 1, argmax_numbers, 1, 0},
    {"bg_argmax_all", made_argmax_all, 1, argmax_all_numbers, 1, 0},
    {"bg_argmin", made_argmin, 1, argmin_numbers, 1, 0},
    {"bg_argmin_all", made_argmin_all, 1, argmin_all_numbers, 1, 0},
    {"bg_logsumexp", made_logsumexp, 1, logsumexp_numbers, 1, 4},
    {"bg_logsumexp_all", made_logsumexp_all, 1, logsumexp_all_numbers, 1, 4},
    {"bg_prod", made_prod, 1, prod_numbers, 1, 4},
    {"bg_prod_all", made_prod_all, 1, prod_all_numbers, 1, 4},
    {"bg_var", made_var, 1, var_numbers, 1, 4},
    {"bg_norm", made_norm, 1, norm_numbers, 1, 4},
    {"bg_std", made_std, 1, std_numbers, 1, 7},
    {"bg_all", made_all, 1, all_numbers, 2, 0},
    {"bg_all_all", made_all_all, 1, all_all_numbers, 1, 0},
    {"bg_any", made_any, 1, any_numbers, 2, 0},
    {"bg_any_all", made_any_all, 1, any_all_numbers, 1, 0},
    {"bg_count_nonzero", made_count_nonzero, 1, count_nonzero_numbers, 2, 0},
    {"bg_count_nonzero_all", made_count_nonzero_all, 1, count_nonzero_all_numbers, 1, 0},
    {"bg_nansum", made_nansum, 1, nansum_numbers, 2, 6},
    {"bg_nansum_all", made_nansum_all, 1, nansum_all_numbers, 1, 2},
    {"bg_nanmean", made_nanmean, 1, nanmean_numbers, 2, 6},
    {"bg_nanmean_all", made_nanmean_all, 1, nanmean_all_numbers, 1, 6},
    {"bg_cumsum", made_cumsum, 1, cumsum_numbers, 7, 7},
    {"bg_cumprod", made_cumprod, 1, cumprod_numbers, 7, 7},
    {"bg_logcumsumexp", made_logcumsumexp, 1, logcumsumexp_numbers, 7, 7},
    {"bg_cummax", made_cummax, 1, cummax_numbers, 7, 7},
    {"bg_cummin", made_cummin, 1, cummin_numbers, 7, 7},
    {"bg_diff", made_diff, 1, diff_numbers, 6, 7},
    {"bg_trapezoid", made_trapezoid, 1, trapezoid_numbers, 1, 7},
    {"bg_trapezoid_at", made_trapezoid_at, 2, trapezoid_at_numbers, 1, 14},
    {"bg_sort", made_sort, 1, sort_numbers, 7, 7},
    {"bg_argsort", made_argsort, 1, argsort_numbers, 7, 0},
    {"bg_topk", made_topk, 1, topk_numbers, 3, 7},
    {"bg_kthvalue", made_kthvalue, 1, kthvalue_numbers, 1, 7},
    {"bg_searchsorted", made_searchsorted, 2, searchsorted_numbers, 4, 0},
    {"bg_median", made_median, 1, median_numbers, 1, 7},
    {"bg_median_all", made_median_all, 1, median_all_numbers, 1, 6},
    {"bg_nanmedian", made_nanmedian, 1, nanmedian_numbers, 1, 7},
    {"bg_nanmedian_all", made_nanmedian_all, 1, NULL, 0, 0},
    {"bg_quantile", made_quantile, 1, quantile_numbers, 1, 7},
    {"bg_reshape", made_reshape, 1, reshape_numbers, 6, 6},
    {"bg_permute", made_permute, 1, permute_numbers, 6, 6},
    {"bg_transpose", made_transpose, 1, transpose_numbers, 6, 6},
    {"bg_expand", made_expand, 1, expand_numbers, 6, 3},
    {"bg_squeeze", made_squeeze, 1, squeeze_numbers, 6, 6},
    {"bg_squeeze_all", made_squeeze_all, 1, squeeze_all_numbers, 6, 6},
    {"bg_unsqueeze", made_unsqueeze, 1, unsqueeze_numbers, 6, 6},
    {"bg_slice", made_slice, 1, slice_numbers, 3, 5},
    {"bg_concat", made_concat, 2, concat_numbers, 5, 5},
    {"bg_stack", made_stack, 2, stack_numbers, 12, 12},
    {"bg_index_select", made_index_select, 2, index_select_numbers, 2, 5},
    {"bg_gather", made_gather, 2, gather_numbers, 7, 5},
    {"bg_scatter", made_scatter, 3, scatter_numbers, 12, 18},
    {"bg_scatter_add", made_scatter_add, 3, scatter_add_numbers, 12, 18},
    {"bg_scatter_reduce", made_scatter_reduce, 3, scatter_reduce_numbers, 12, 18},
    {"bg_index_copy", made_index_copy, 3, index_copy_numbers, 15, 21},
    {"bg_dot", made_dot, 2, dot_numbers, 1, 2},
    {"bg_matmul", made_matmul, 2, matmul_numbers, 1, 2},
    {"bg_softmax", made_softmax, 1, softmax_numbers, 6, 6},
    {"bg_log_softmax", made_log_softmax, 1, log_softmax_numbers, 6, 6},
    {"bg_cross_entropy", made_cross_entropy, 2, cross_entropy_numbers, 1, 3},
    {"bg_mse", made_mse, 2, mse_numbers, 1, 8},
};
